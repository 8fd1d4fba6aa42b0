"""The file with some values changed and everything else, comments and blanks included, as it was."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import tomlkit


def rewritten(text: str, values: Mapping[str, Any]) -> str:
    """The file's text with these values under their keys; None takes a key away."""
    document = tomlkit.parse(text)
    for key, value in values.items():
        path = key.split(".")
        if value is None:
            _remove(document, path)
        else:
            _put(document, path, value)
    return tomlkit.dumps(document)


def _put(document: MutableMapping[str, Any], path: list[str], value: Any) -> None:
    node = document
    for depth, part in enumerate(path[:-1]):
        if part not in node:
            # Two levels deep begin tables of their own; what is in them stays on one line.
            node[part] = tomlkit.table() if depth < 3 else tomlkit.inline_table()
        node = node[part]
    node[path[-1]] = _item(value)


def _item(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    made = tomlkit.inline_table()
    made.update({key: _item(held) for key, held in value.items()})
    return made


def _remove(document: MutableMapping[str, Any], path: list[str]) -> None:
    node: Any = document
    for part in path[:-1]:
        node = node.get(part)
        if not isinstance(node, MutableMapping):
            return
    node.pop(path[-1], None)
