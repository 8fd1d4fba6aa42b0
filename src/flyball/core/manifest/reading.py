"""Text to model: what does this file ask for, or what is wrong with it?

The tables are validated one by one, all of them; then what is wrong is taken out, and the rest is held against the
rules across tables. So one run names every mistake, and no mistake is named for what another one caused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from flyball.core.model import Application

from .checks import Fault, faults
from .complaints import Complaint, ManifestError
from .places import Path, Places, read
from .schema import FileTable
from .wording import meant, sentence, table_at, unknown_key

# What stands in for a key that must be there, while the rest of the file is checked.
_STAND_INS: dict[str, Any] = {
    "name": "app",
    "services": {"web": {"run": "true"}},
    "run": "true",
    "kind": "bucket",
}


def parse(text: str, *, filename: str = "flyball.toml", timezones: Collection[str] | None = None) -> Application:
    """The application that `text` describes. Raises ManifestError with every mistake.

    `timezones`: the names that this machine knows; None takes any name that looks like one.
    """
    data = read(text)
    if isinstance(data, Complaint):
        raise ManifestError((data,), text, filename)
    errors = _errors(data)
    file = FileTable.model_validate(_mended(data, errors))
    places = Places.of(text)
    broken = [_path(data, error["loc"]) for error in errors if error["type"] != "extra_forbidden"]
    # A table that lacks a key may have it misspelt.
    misspelt = {_path(data, error["loc"])[:-1] for error in errors if error["type"] == "extra_forbidden"}
    complaints = [_complaint(data, error, places) for error in errors]
    for fault in faults(file, timezones):
        home = _home(data, fault.path)
        if home not in misspelt and not _follows(home, fault, broken):
            complaints.append(places.complaint(home, fault.message, hint=fault.hint, on_key=fault.on_key))
    if complaints:
        raise ManifestError(sorted(set(complaints), key=_order), text, filename)
    return file.resolve()


def _errors(data: dict[str, Any]) -> list[ErrorDetails]:
    try:
        FileTable.model_validate(data)
    except ValidationError as wrong:
        return wrong.errors(include_url=False)
    return []


def _order(complaint: Complaint) -> tuple[int, int, str, str]:
    return (complaint.line or 0, complaint.column or 0, complaint.path, complaint.message)


def _complaint(data: dict[str, Any], error: ErrorDetails, places: Places) -> Complaint:
    path, kind = _path(data, error["loc"]), error["type"]
    if kind == "extra_forbidden":
        message, hint = unknown_key(table_at(path[:-1]), str(path[-1]))
        return places.complaint(path, message, hint=hint, on_key=True)
    on_key = kind == "missing" or error["loc"][-1] == "[key]"
    return places.complaint(path, sentence(error), hint=meant(error), on_key=on_key)


def _home(data: dict[str, Any], path: Path) -> Path:
    """Where the file has it: in the service, or in the defaults that it starts from."""
    shared = ("defaults", *path[2:])
    inherited = path[0] == "services" and len(path) > 2 and _depth(data, shared) > max(1, _depth(data, path) - 1)
    return _path(data, shared if inherited else path)


def _depth(data: Any, path: Path) -> int:
    """How many parts of the path are in the file."""
    for depth, part in enumerate(path):
        if isinstance(part, int) and isinstance(data, dict):
            continue
        if not isinstance(data, dict | list) or (isinstance(data, dict) and part not in data):
            return depth
        data = data[int(part)] if isinstance(data, list) else data[part]
    return len(path)


def _path(data: Any, loc: Sequence[str | int]) -> Path:
    """The place as it is in the file: shorthands have nothing below them, and one table may stand for a list."""
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


def _follows(home: Path, fault: Fault, broken: list[Path]) -> bool:
    """Whether something is broken where the fault was found: in the table that lacks a key, or beside a value."""
    table = home if fault.on_key else home[:-1]
    looked_at = (home[: max(3, len(table))], *fault.also)
    return any(one[: len(other)] == other[: len(one)] for one in looked_at for other in broken)


def _mended(data: dict[str, Any], errors: list[ErrorDetails]) -> dict[str, Any]:
    """The file without its wrong parts, with stand-ins for what must be there.

    What is taken out may have been needed where it was, and then that is taken out as well. Every round takes out a
    key or puts in a right one, so it ends.
    """
    rest = deepcopy(data)
    while errors:
        for error in errors:
            _mend(rest, _path(rest, error["loc"]), missing=error["type"] == "missing")
        errors = _errors(rest)
    return rest


def _mend(rest: dict[str, Any], path: Path, *, missing: bool) -> None:
    """Take out the value at `path`, with the list or the table it must be in; or put a stand-in there."""
    stand_in = _STAND_INS.get(str(path[-1])) if missing else None
    if missing and stand_in is None:
        path = path[:-1]
    while isinstance(path[-1], int):
        # Without one of its items the others would have other places: the list goes as a whole.
        path = path[:-1]
    *around, last = path
    node: Any = rest
    for part in around:
        node = node[int(part)] if isinstance(node, list) else node.get(part, {})
    if stand_in is None:
        node.pop(last, None)
    else:
        node[last] = deepcopy(stand_in)
