"""Text to model: the application a file describes, or everything wrong with it.

Every table is validated on its own first. Then the invalid parts are removed and the rest is checked across tables.
So one run reports everything that is wrong, and nothing that only follows from something else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flyball.core.model import Application

from .checks import complaints_across
from .complaints import Complaint, ManifestError, Path, Unplaced
from .places import Places, read
from .schema import FileTable
from .wording import meant, sentence, table_at, unknown_key

# Stand-ins for missing required keys, while the rest of the file is checked.
_STAND_INS: dict[str, object] = {
    "name": "app",
    "services": {"web": {"run": "true"}},
    "run": "true",
    "kind": "bucket",
}


def parse(text: str, *, filename: str = "flyball.toml", timezones: Collection[str] | None = None) -> Application:
    """The application that `text` describes. Raises ManifestError with every complaint.

    `timezones` are the names this machine knows; with None, any well-formed name is accepted.
    """
    data = read(text)
    if isinstance(data, Complaint):
        raise ManifestError((data,), text, filename)
    errors = _errors(data)
    file = FileTable.model_validate(_mended(data, errors))
    broken = [_path(data, error["loc"]) for error in errors if error["type"] != "extra_forbidden"]
    # A table that lacks a key may have it misspelled.
    misspelled = {_path(data, error["loc"])[:-1] for error in errors if error["type"] == "extra_forbidden"}
    found = [_complaint(data, error) for error in errors]
    for wrong in complaints_across(file, timezones):
        home = replace(wrong, path=_home(data, wrong.path))
        if home.path not in misspelled and not _follows(home, broken):
            found.append(home)
    if found:
        places = Places.of(text)
        raise ManifestError(sorted({places.complaint(each) for each in found}, key=_order), text, filename)
    return file.resolve()


def _errors(data: dict[str, object]) -> list[ErrorDetails]:
    try:
        FileTable.model_validate(data)
    except ValidationError as wrong:
        return wrong.errors(include_url=False)
    return []


def _order(complaint: Complaint) -> tuple[int, int, str, str]:
    return (complaint.line or 0, complaint.column or 0, complaint.path, complaint.message)


def _complaint(data: dict[str, object], error: ErrorDetails) -> Unplaced:
    path, kind = _path(data, error["loc"]), error["type"]
    if kind == "extra_forbidden":
        message, hint = unknown_key(table_at(path[:-1]), str(path[-1]))
        return Unplaced(path=path, message=message, hint=hint, on_key=True)
    on_key = kind == "missing" or error["loc"][-1] == "[key]"
    return Unplaced(path=path, message=sentence(error), hint=meant(error), on_key=on_key)


def _home(data: dict[str, object], path: Path) -> Path:
    """The path as the file has it: in the service, or in the defaults it inherits."""
    shared = ("defaults", *path[2:])
    inherited = path[0] == "services" and len(path) > 2 and _depth(data, shared) > max(1, _depth(data, path) - 1)
    return _path(data, shared if inherited else path)


def _depth(data: Any, path: Path) -> int:
    """How many parts of the path the file has."""
    for depth, part in enumerate(path):
        if isinstance(part, int) and isinstance(data, dict):
            continue
        if not isinstance(data, dict | list) or (isinstance(data, dict) and part not in data):
            return depth
        data = data[int(part)] if isinstance(data, list) else data[part]
    return len(path)


def _path(data: Any, loc: Sequence[str | int]) -> Path:
    """The path as the file has it: a shorthand has nothing below it, and one table may stand for a list."""
    path: list[str | int] = []
    node = data
    for part in loc:
        if isinstance(part, int) and isinstance(node, dict):
            continue
        if part == "[key]" or not isinstance(node, dict | list | None):
            break
        path.append(part)
        node = node[int(part)] if isinstance(node, list) else (node or {}).get(part)
    return tuple(path)


def _follows(wrong: Unplaced, broken: list[Path]) -> bool:
    """Whether the complaint may only follow from an invalid value: one in the same table, or one in `also`."""
    table = wrong.path if wrong.on_key else wrong.path[:-1]
    looked_at = (wrong.path[: max(3, len(table))], *wrong.also)
    return any(one[: len(other)] == other[: len(one)] for one in looked_at for other in broken)


def _mended(data: dict[str, object], errors: list[ErrorDetails]) -> dict[str, object]:
    """The file without its invalid parts, with stand-ins for missing keys.

    A removed part may have been required, so what then becomes invalid is removed too. Every round removes a key or
    adds a valid one, so this ends.
    """
    rest = deepcopy(data)
    while errors:
        for error in errors:
            _mend(rest, _path(rest, error["loc"]), missing=error["type"] == "missing")
        errors = _errors(rest)
    return rest


def _mend(rest: dict[str, object], path: Path, *, missing: bool) -> None:
    """Remove the value at `path`, with the list or table that requires it; or put a stand-in there."""
    stand_in = _STAND_INS.get(str(path[-1])) if missing else None
    if missing and stand_in is None:
        path = path[:-1]
    while isinstance(path[-1], int):
        # Removing one item would shift the others, so the whole list goes.
        path = path[:-1]
    *around, last = path
    node: Any = rest
    for part in around:
        node = node[int(part)] if isinstance(node, list) else node.get(part, {})
    if stand_in is None:
        node.pop(last, None)
    else:
        node[last] = deepcopy(stand_in)
