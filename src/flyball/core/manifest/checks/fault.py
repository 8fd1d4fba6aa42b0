"""One fault across tables."""

from __future__ import annotations

from dataclasses import dataclass

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`also` are the other keys that were looked at: when one of them is wrong itself, the fault says nothing new."""

    path: Path
    message: str
    hint: str = ""
    on_key: bool = False
    also: tuple[Path, ...] = ()
