"""The resolved file: every field with its value, as a number and with its unit."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from flyball.core.model import Application, Metric

from . import units


def resolved(app: Application) -> dict[str, object]:
    """Every field as plain data; a number with a unit also has a `text`.

    A field such as `interval_s` becomes `{"value": 5.0, "text": "5s"}`.
    """
    found = _plain(app)
    assert isinstance(found, dict)
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _field(value, field.name) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value


def _field(owner: Any, name: str) -> Any:
    value = getattr(owner, name)
    text = with_unit(owner, name)
    return _plain(value) if text is None else {"value": value, "text": text}


def with_unit(owner: Any, name: str) -> str | None:
    """The value of the field `name` with its unit, such as `90d`; None if neither name nor metric implies a unit."""
    value = getattr(owner, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    metric = getattr(owner, "metric", None)
    if isinstance(metric, Metric) and name in {"threshold", "target_value"}:
        return units.threshold_text(metric, value)
    if name.endswith("_s"):
        return units.duration_text(value)
    if name.endswith("_bytes"):
        return units.size_text(int(value))
    return f"{units.number_text(value)}%" if name.endswith("_percent") else None
