"""The pure part: no I/O, no clock, no randomness, no logging. Worlds bring observations and carry out actions."""
