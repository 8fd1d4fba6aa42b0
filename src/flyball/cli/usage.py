"""What is wrong with a command line, in one sentence instead of a box."""

from __future__ import annotations

from cyclopts import CycloptsError, UnusedCliTokensError


def sentence(error: CycloptsError) -> str:
    """What is wrong with the command line, and where to look."""
    verb = " ".join(error.command_chain or ())
    if isinstance(error, UnusedCliTokensError):
        what = f"nothing is known to do with {' '.join(error.unused_tokens or ())!r}"
    else:
        what = str(error).strip()
    return f"{what}\nsee: flyball {verb} --help" if verb else f"{what}\nsee: flyball --help"
