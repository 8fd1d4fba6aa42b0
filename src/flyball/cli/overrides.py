"""`--set KEY=VALUE`: the file with some of its values changed, as text that is checked like any file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from flyball.core.errors import FileError


def changed(text: str, settings: Sequence[str]) -> str:
    """The file's text with every `KEY=VALUE` in it. Raises FileError for what cannot be set."""
    if not settings:
        return text
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text  # reading it will say where it is wrong
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise FileError(f'--set: "{setting}" is not KEY=VALUE, such as services.web.scale.target.cpu=60')
        _put(table, [part.strip() for part in key.split(".")], _value(value.strip()))
    return "\n".join(_lines(table, ())) + "\n"


def replaced(text: str, values: Mapping[str, Any]) -> str:
    """The file's text with these values under their keys; None takes a key away."""
    table = tomllib.loads(text)
    for key, value in values.items():
        path = key.split(".")
        if value is None:
            _remove(table, path)
        else:
            _put(table, path, value)
    return "\n".join(_lines(table, ())) + "\n"


def _remove(table: dict[str, Any], path: list[str]) -> None:
    node: Any = table
    for part in path[:-1]:
        node = node.get(part, {}) if isinstance(node, dict) else {}
    if isinstance(node, dict):
        node.pop(path[-1], None)


def _value(text: str) -> Any:
    """A TOML value; what is none is a string, so that `every=2s` needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _put(table: dict[str, Any], path: list[str], value: Any) -> None:
    node: Any = table
    for depth, part in enumerate(path[:-1]):
        where = ".".join(path[: depth + 1])
        if depth == 1 and path[0] in {"services", "stores"} and part not in node:
            near = get_close_matches(part, list(node), n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(node) or 'none'}"
            raise FileError(f"--set: the file has no {where}{hint}")
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            rest = ".".join(path[depth + 1 :])
            raise FileError(f"--set: {where} is {json.dumps(node)} in the file, so {rest} cannot be set in it")
    node[path[-1]] = value


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    """The table as TOML: its plain values first, then the tables in it."""
    lines = [f"[{'.'.join(map(_key, path))}]"] if path else []
    lines += [f"{_key(name)} = {written(value)}" for name, value in table.items() if not isinstance(value, dict)]
    for name, value in table.items():
        if isinstance(value, dict):
            lines += ["", *_lines(value, (*path, name))]
    return lines


def _key(name: str) -> str:
    plain = name and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)
    return name if plain else json.dumps(name)


def written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(name)} = {written(held)}" for name, held in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(written(held) for held in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)
