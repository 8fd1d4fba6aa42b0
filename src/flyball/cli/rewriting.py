"""The file with some values changed and everything else, comments and blanks included, as it was."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import tomlkit
from tomlkit.items import InlineTable

from .overrides import written


def rewritten(text: str, values: Mapping[str, Any]) -> str:
    """The file's text with these values under their keys; None takes a key away."""
    document = tomlkit.parse(text)
    for key, value in values.items():
        _change(document, key.split("."), value)
    return tomlkit.dumps(document)


def _change(node: MutableMapping[str, Any], path: list[str], value: Any, depth: int = 0) -> None:
    name, *rest = path
    if not rest:
        if value is None:
            node.pop(name, None)
        else:
            node[name] = value
        return
    if name not in node:
        if value is None:
            return
        # Services and their tables have headers; what is in those stays on one line.
        node[name] = tomlkit.table() if depth < 3 else tomlkit.inline_table()
    held = node[name]
    if isinstance(held, MutableMapping):
        _change(held, rest, value, depth + 1)
        if isinstance(held, InlineTable):
            node[name] = _spaced(held)


def _spaced(table: InlineTable) -> Any:
    """The table with blanks between its parts as people write them, and with its comment."""
    made = tomlkit.value(written(table.unwrap()))
    made.trivia.comment_ws, made.trivia.comment = table.trivia.comment_ws, table.trivia.comment
    return made
