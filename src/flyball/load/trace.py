"""Read a trace from a file: lines of rates, or an access log."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from flyball.core.access_log import KNOWN, counted, is_access_log
from flyball.core.arrivals import RateCurve, parse_trace
from flyball.core.errors import FileError

GZIP = b"\x1f\x8b"
LOOKED_AT = 5
"""The first lines that tell what a file is; some may be broken."""
WORDS_OF_A_LOG = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Traffic that came once. `shares`: of each service, where the file says so; else empty.

    `is_log`: every request was counted, so seconds without any had none.
    """

    curve: RateCurve
    shares: tuple[tuple[str, float], ...] = ()
    is_log: bool = False


def read_trace(path: Path) -> Trace:
    """The traffic in a file, gzip'd or not (told by its content). Raises FileError."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == GZIP
        opened = gzip.open if zipped else open
        with opened(path, "rt", encoding="utf-8-sig", errors="replace") as text:
            return _read(text)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FileError(f"{path}: {getattr(error, 'strerror', None) or 'is not a readable trace'}") from None


def _read(text: TextIO) -> Trace:
    first = list(islice((line for line in text if line.strip()), LOOKED_AT))
    text.seek(0)
    if any(is_access_log(line) for line in first):
        found = counted(text)
        return Trace(curve=found.curve, shares=found.shares, is_log=True)
    if first and (len(first[0].split()) >= WORDS_OF_A_LOG or first[0].lstrip().startswith("{")):
        raise FileError(f"an access log of an unknown form; known are {KNOWN}")
    return Trace(curve=parse_trace(text.read()))
