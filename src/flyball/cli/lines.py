"""A line of an instance's output: when it was written, and what it says. JSON lines of loggers are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_TIMES = ("time", "timestamp", "ts", "@timestamp", "asctime")
_LEVELS = ("level", "severity", "levelname", "lvl")
_MESSAGES = ("message", "msg", "event")
_NUMBERS = {10: "DEBUG", 20: "INFO", 30: "INFO", 40: "WARN", 50: "ERROR", 60: "FATAL"}  # pino's
FAR_S = 60.0  # a time further than this from when the line appeared is not the line's


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. `fields` are those of a line of JSON, None for any other; `region` is the instance's, if it has one."""

    instance: str
    text: str
    at: float
    fields: Mapping[str, Any] | None = None
    region: str | None = None

    @property
    def source(self) -> str:
        """Who says it: the instance, with its region if there are some."""
        return self.instance if self.region is None else f"{self.region}/{self.instance}"

    def shown(self) -> str:
        """The line for a person: of JSON the level, the message, then what else it has."""
        if self.fields is None:
            return self.text
        rest = dict(self.fields)
        for name in _TIMES:
            rest.pop(name, None)
        level, message = _first(rest, _LEVELS), _first(rest, _MESSAGES)
        level = _NUMBERS.get(level, level) if isinstance(level, int) else level
        told = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in rest.items()]
        return " ".join([*(str(part) for part in (level and str(level).upper(), message) if part), *told])

    def as_json(self, *, timed: bool) -> dict[str, object]:
        """What `--json` prints, with the time if asked for."""
        fields = {} if self.fields is None else {"fields": self.fields}
        place = {} if self.region is None else {"region": self.region}
        return {**place, "instance": self.instance, "line": self.text, **({"at": self.at} if timed else {}), **fields}


def read(instance: str, text: str, appeared: float) -> Line:
    """A line that appeared then; its own time, if it has one, is more exact."""
    fields = _fields(text)
    own = None if fields is None else next((_time(fields[name]) for name in _TIMES if name in fields), None)
    at = own if own is not None and abs(own - appeared) < FAR_S else appeared
    return Line(instance=instance, text=text, at=at, fields=fields)


def _fields(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _first(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields.pop(name) for name in names if name in fields), None)


def _time(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value / 1000 if value > 1e11 else float(value)
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found.timestamp()
