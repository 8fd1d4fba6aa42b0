"""Flyball runs elastic applications: one file, one command, here and on AWS."""

__version__ = "0.1.0"
