"""What was measured, kept in a file: an interrupted search goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from .measure import Score


class Store:
    """Scores by a key, one line of JSON each. `about` says what they depend on: under another one they are void."""

    def __init__(self, path: Path | None, about: str) -> None:
        self._path = path
        self._known: dict[str, Score | None] = {}
        self._asked: set[str] = set()
        self.resumed = 0
        if path is None:
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        if lines and lines[0] == about:
            for line in lines[1:]:
                self._remember(line)
            self.resumed = len(self._known)
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")  # ends an interrupted line, so that what follows is not part of it
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(about + "\n", encoding="utf-8")

    def _remember(self, line: str) -> None:
        try:
            row = json.loads(line)
            self._known[row["key"]] = None if row["score"] is None else Score(**row["score"])
        except (ValueError, KeyError, TypeError):  # the line at which it was interrupted
            return

    @property
    def used(self) -> int:
        """How many different runs were asked for, known before or not."""
        return len(self._asked)

    def __contains__(self, key: str) -> bool:
        self._asked.add(key)
        return key in self._known

    def __getitem__(self, key: str) -> Score | None:
        return self._known[key]

    def keep(self, key: str, score: Score | None) -> None:
        """Remember it, here and in the file."""
        self._known[key] = score
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "score": None if score is None else asdict(score)}) + "\n")
