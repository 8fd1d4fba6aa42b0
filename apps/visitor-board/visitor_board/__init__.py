"""Visitor Board: a guest book whose only state lies in its store, so that any number of copies serve it."""
