"""`flyball config`: the file with every default filled in, as text or JSON."""

from __future__ import annotations

import json as to_json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flyball.core.manifest import resolved

from . import talk
from .files import find_file, load


def run(path: Path | None, *, json: bool) -> int:
    """Print every field with its value. Raises ManifestError and FileError."""
    found = resolved(load(find_file(path)))
    if json:
        talk.emit(found)
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines("", found))
    return 0


def lines(path: str, value: Any) -> Iterator[str]:
    """`services.web.capacity.min = 1`, one field per line, named members by name. Absent values are left out."""
    if isinstance(value, dict) and value.keys() == {"value", "text"}:
        yield f"{path} = {to_json.dumps(value['text'])}"
    elif isinstance(value, dict):
        for key, held in value.items():
            yield from lines(f"{path}.{key}" if path else key, held)
    elif isinstance(value, list):
        for index, held in enumerate(value):
            named = isinstance(held, dict) and isinstance(held.get("name"), str)
            yield from lines(f"{path}.{held['name']}" if named else f"{path}[{index}]", held)
    elif value is not None:
        yield f"{path} = {to_json.dumps(value, ensure_ascii=False)}"
