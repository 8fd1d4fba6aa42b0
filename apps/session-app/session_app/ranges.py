"""The `Range` header: which bytes of a file were asked for (RFC 9110, section 14)."""

import re

_ONE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


class Unsatisfiable(Exception):
    """The range begins after the end of the file."""


def asked_part(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, stop) within a file of `size` bytes, or None for all of it.

    Several ranges, other units and what is no range at all count as no range, as the RFC allows.
    Raises Unsatisfiable.
    """
    found = _ONE.fullmatch((header or "").replace(" ", ""))
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise Unsatisfiable
    return start, stop
