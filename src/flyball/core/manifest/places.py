"""Where a path such as `services.web.health` is in the text.

`tomllib` reads the file but keeps no positions, so `spanned-toml` reads it a second time to place complaints.
A complaint it cannot place shows its path only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any, Self

import spanned_toml

from .complaints import Complaint, Path, Unplaced

Span = tuple[int, int]

_AT = re.compile(r"^(?P<message>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$", re.DOTALL)
_BARE = re.compile(r"^[A-Za-z0-9_-]+$")


class Places:
    """The positions in one text. `find` and `complaint` never fail."""

    def __init__(self, text: str, root: Any) -> None:
        self._text = text
        self._root = root

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the text again, for its positions."""
        plain = text.replace("\r\n", "\n")
        return cls(plain, _spanned(plain))

    def complaint(self, wrong: Unplaced) -> Complaint:
        """The complaint with its place in the text."""
        path, message, hint = dotted(wrong.path), wrong.message, wrong.hint
        found = self.find(wrong.path, on_key=wrong.on_key)
        if found is None:
            return Complaint(path=path, message=message, hint=hint)
        start, end = found
        line = self._text.count("\n", 0, start) + 1
        column = start - (self._text.rfind("\n", 0, start) + 1) + 1
        return Complaint(path=path, line=line, column=column, length=max(1, end - start), message=message, hint=hint)

    def find(self, path: Path, *, on_key: bool = False) -> Span | None:
        """The span of `path`, or of the nearest table around it; None when neither is found."""
        node: Any = self._root
        found: Span | None = None
        for depth, part in enumerate(path, 1):
            key, below = _child(node, part)
            if below is None:
                break
            node = below
            # A table under a header has a span only at its key; the table around a missing key is shown by its own key.
            at_key = on_key or depth < len(path) or _span(below) is None
            found = (_span(key) if at_key else _span(below)) or _span(below) or _first_key(below) or found
        return found


def read(text: str) -> dict[str, object] | Complaint:
    """The file's data, or a complaint that it is not TOML."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        return Complaint(path="", message="not TOML: nested too deeply")
    except ValueError as wrong:
        return _not_toml(str(wrong), text)


def dotted(path: Path) -> str:
    """`("services", "web", "routes", 0)` as `services.web.routes[0]`."""
    joined = ""
    for part in path:
        if isinstance(part, int):
            joined += f"[{part}]"
            continue
        name = part if _BARE.match(part) else f'"{part}"'
        joined += f".{name}" if joined else name
    return joined


def _not_toml(message: str, text: str) -> Complaint:
    lines = text.replace("\r\n", "\n").split("\n")
    found = _AT.match(message)
    if found is None:
        # Python refuses integers of more than 4300 digits, and tomllib does not say where.
        return Complaint(path="", message="not TOML: a number has too many digits")
    if found["line"] is None:
        line = max((number for number, held in enumerate(lines, 1) if held.strip()), default=1)
        return _at(line, len(lines[line - 1]) + 1, f"{found['message']}, at the end of the file")
    return _at(int(found["line"]), int(found["column"]), found["message"])


def _at(line: int, column: int, message: str) -> Complaint:
    return Complaint(path="", line=line, column=column, message=f"not TOML: {message[:1].lower()}{message[1:]}")


def _spanned(text: str) -> Any:
    try:
        return spanned_toml.loads(text)
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, RecursionError):
        return None


def _is(node: Any, kind: type) -> bool:
    return node is not None and isinstance(node.inner(), kind)


def _child(node: Any, part: str | int) -> tuple[Any, Any]:
    if _is(node, dict):
        for key, value in node.inner().items():
            if key.inner() == part:
                return key, value
    elif _is(node, list) and isinstance(part, int) and part < len(node.inner()):
        return None, node.inner()[part]
    return None, None


def _span(node: Any) -> Span | None:
    if node is None or node.span().stop == 0:
        return None
    return node.span().start, node.span().stop


def _first_key(node: Any) -> Span | None:
    """The span of a table's first key: a `[[…]]` item has none of its own."""
    keys: Sequence[Any] = list(node.inner()) if _is(node, dict) else []
    return _span(keys[0]) if keys else None
