"""What becomes of every field of the model, in every world: honoured, or refused with a reason. Nothing is silent.

A field that one world ignores without saying so is the worst mistake this project can make. A test walks all fields of
all model classes through this table; `docs/explanation/parity.md` is written from it. Needs no CDK.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from flyball.core.manifest import with_unit
from flyball.core.model import Application, Compute

from . import placement, services, traffic
from .row import Honoured, Refused, Row, Verdict, World

__all__ = ["ROWS", "Honoured", "Refused", "Row", "Verdict", "World", "markdown", "row", "unhonoured", "world_on_aws"]

ROWS: tuple[Row, ...] = (*placement.ROWS, *services.ROWS, *traffic.ROWS)
_BY_FIELD = {(each.model, each.field): each for each in ROWS}


def row(model: str, field: str) -> Row:
    """The row of a field, such as ("HealthCheck", "path"). Raises KeyError when the table has a gap."""
    return _BY_FIELD[model, field]


def world_on_aws(app: Application) -> World:
    """Which of AWS's two worlds the application is for."""
    ec2 = app.aws is not None and app.aws.compute is Compute.EC2
    return World.EC2 if ec2 else World.FARGATE


def unhonoured(app: Application, world: World) -> tuple[str, ...]:
    """Every value of the file, other than a default, that `world` does not honour: place, value, reason."""
    return tuple(_unhonoured(app, world, ""))


def _unhonoured(value: Any, world: World, place: str) -> Iterator[str]:
    for field in fields(value):
        held = getattr(value, field.name)
        where = f"{place}.{field.name}" if place else field.name
        verdict = row(type(value).__name__, field.name).verdict(world)
        if isinstance(verdict, Refused) and held != _default(field) and held not in verdict.accepted:
            yield f"{where} = {with_unit(value, field.name) or _short(held)}: {verdict.reason}"
        elif is_dataclass(held):
            yield from _unhonoured(held, world, where)
        elif isinstance(held, tuple):
            for index, each in enumerate(held):
                if is_dataclass(each):
                    yield from _unhonoured(each, world, f"{where}.{getattr(each, 'name', index + 1)}")


def _default(field: Field[Any]) -> Any:
    return None if field.default is MISSING else field.default


def _short(value: Any) -> str:
    return type(value).__name__ if is_dataclass(value) else str(value)


def markdown() -> str:
    """The table as a page, one section per class of the model."""
    lines = ["| field | here | EC2 | Fargate |", "| --- | --- | --- | --- |"]
    parts: list[str] = []
    for model in dict.fromkeys(each.model for each in ROWS):
        rows = [_line(each) for each in ROWS if each.model == model]
        parts.append("\n".join([f"## {model}", "", *lines, *rows]))
    return "\n\n".join(parts) + "\n"


def _line(each: Row) -> str:
    cells = (_cell(each.verdict(world)) for world in World)
    return f"| `{each.field}` | {' | '.join(cells)} |"


def _cell(verdict: Verdict) -> str:
    match verdict:
        case Honoured(where=where):
            return where
        case Refused(reason=reason):
            return f"**refused**: {reason}"
