"""Text to model: every mistake at once, with line, caret and hint."""
