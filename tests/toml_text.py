"""Values as TOML text, for tests that build files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any


def dump(document: Mapping[str, Any]) -> str:
    """A document with one line per top-level key."""
    return "".join(f"{key(name)} = {value(held)}\n" for name, held in document.items())


def value(held: Any) -> str:
    """One value on one line."""
    if isinstance(held, Mapping):
        return "{" + ", ".join(f"{key(name)} = {value(inner)}" for name, inner in held.items()) + "}"
    if isinstance(held, list):
        return "[" + ", ".join(value(inner) for inner in held) + "]"
    if isinstance(held, dt.date):
        return held.isoformat()
    return json.dumps(held)


def key(name: str) -> str:
    """A key, in quotes where TOML wants them."""
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else json.dumps(name)
