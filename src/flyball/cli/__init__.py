"""One verb per file, thin: parse, call, print."""
