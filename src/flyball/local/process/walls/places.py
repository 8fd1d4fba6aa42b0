"""Which place a service or a store has: a list of names that only grows, in a file of the state directory.

Numbers of users, links and addresses are made of it, so nothing may run with two lists: one that is damaged is not
guessed at. Once nothing runs any more, a new one can begin.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from flyball.core.errors import Failed


class Places:
    """The list in this file. Another part of the program may add to it at any time."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._names: list[str] = []

    def of(self, name: str) -> int:
        """The place of a name; it gets the next one if it has none. Raises Failed."""
        if name not in self._names:
            self._names = self._read()
        if name not in self._names:
            names = [*self._names, name]
            self._write(names)
            self._names = names
        return self._names.index(name)

    def name(self, place: int) -> str | None:
        """Whose place this is."""
        return self._names[place] if place < len(self._names) else None

    def _read(self) -> list[str]:
        try:
            found = json.loads(self._record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise Failed(f"{self._record} is damaged: flyball down, then flyball up")
        return found

    def _write(self, names: list[str]) -> None:
        temporary = self._record.with_name(f".{self._record.name}.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(names), encoding="utf-8")
            temporary.replace(self._record)
        except OSError as error:
            raise Failed(f"{self._record} cannot be written: {error.strerror}") from error

    def clear(self) -> None:
        """Forget a list that cannot be read. Nothing may run any more."""
        try:
            self._read()
        except Failed:
            self._record.unlink()
