"""Read a trace from a file."""

from __future__ import annotations

import gzip
from pathlib import Path

from flyball.core.arrivals import RateCurve, parse_trace
from flyball.core.errors import FileError


def read_trace(path: Path) -> RateCurve:
    """The curve in a CSV file, gzip'd or not (told by its content). Raises FileError."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode("utf-8-sig")
        return parse_trace(text)
    except FileError as error:
        raise FileError(f"{path}: {error}") from None
    except (OSError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise FileError(f"{path}: {getattr(error, 'strerror', None) or 'is not a readable CSV trace'}") from None
