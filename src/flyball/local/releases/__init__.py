"""Releases on this machine: sources kept, built once, started many times."""
