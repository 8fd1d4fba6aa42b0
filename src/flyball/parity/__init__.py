"""What each world does with every field of the model: it honours the field or refuses it with a reason.

A field that a world ignores silently is the worst bug this project can have, so a test checks every field of every
model class against this table. `docs/explanation/parity.md` is generated from it. Needs no CDK.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

from flyball.core.manifest import with_unit
from flyball.core.model import Application, Compute

from . import placement, services, simulated, traffic
from .row import Honoured, Refused, Row, Verdict, World

__all__ = ["ROWS", "Honoured", "Refused", "Row", "Verdict", "World", "markdown", "row", "unhonoured", "world_on_aws"]


def _with_simulator(row: Row) -> Row:
    verdict = simulated.verdict(f"{row.model}.{row.field}", row.verdicts[World.LOCAL])
    return replace(row, verdicts={**row.verdicts, World.SIMULATED: verdict})


ROWS: tuple[Row, ...] = tuple(map(_with_simulator, (*placement.ROWS, *services.ROWS, *traffic.ROWS)))
_HEADINGS = {World.LOCAL: "here", World.SIMULATED: "simulated", World.EC2: "EC2", World.FARGATE: "Fargate"}
_NOT = {World.SIMULATED: "left out"}
_BY_FIELD = {(each.model, each.field): each for each in ROWS}


def row(model: str, field: str) -> Row:
    """The row of a field, such as ("HealthCheck", "path"). Raises KeyError when there is none."""
    return _BY_FIELD[model, field]


def world_on_aws(app: Application) -> World:
    """Which of AWS's two worlds the application targets."""
    ec2 = app.aws is not None and app.aws.compute is Compute.EC2
    return World.EC2 if ec2 else World.FARGATE


def unhonoured(app: Application, world: World) -> tuple[str, ...]:
    """Every non-default value that `world` does not honour: place, value, reason."""
    return tuple(_unhonoured(app, world, ""))


def _unhonoured(value: Any, world: World, place: str) -> Iterator[str]:
    for field in fields(value):
        held = getattr(value, field.name)
        default = None if field.default is MISSING else field.default
        where = f"{place}.{field.name}" if place else field.name
        verdict = row(type(value).__name__, field.name).verdicts[world]
        if isinstance(verdict, Refused) and held != default and held not in verdict.accepted:
            yield f"{where} = {with_unit(value, field.name) or _short(held)}: {verdict.reason}"
        elif is_dataclass(held):
            yield from _unhonoured(held, world, where)
        elif isinstance(held, tuple):
            for index, each in enumerate(held):
                if is_dataclass(each):
                    yield from _unhonoured(each, world, f"{where}.{getattr(each, 'name', index + 1)}")


def _short(value: Any) -> str:
    return type(value).__name__ if is_dataclass(value) else str(value)


def markdown() -> str:
    """The table as a page, one section per model class."""
    lines = [f"| field | {' | '.join(_HEADINGS[world] for world in World)} |", "| --- " * (1 + len(World)) + "|"]
    parts: list[str] = []
    for model in dict.fromkeys(each.model for each in ROWS):
        rows = [_line(each) for each in ROWS if each.model == model]
        parts.append("\n".join([f"## {model}", "", *lines, *rows]))
    return "\n\n".join(parts) + "\n"


def _line(each: Row) -> str:
    cells = (_cell(world, each.verdicts[world]) for world in World)
    return f"| `{each.field}` | {' | '.join(cells)} |"


def _cell(world: World, verdict: Verdict) -> str:
    if isinstance(verdict, Honoured):
        return f"**roughly**: {verdict.where}" if verdict.roughly else verdict.where
    return f"**{_NOT.get(world, 'refused')}**: {verdict.reason}"
