"""Every table that the file can have, where it can stand, and the smallest file with one key in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from flyball.core.manifest.schema import FileTable, Table


def tables(table: type[Table], at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], type[Table]]]:
    """Every table of the file with a place where it can stand."""
    yield at, table
    for name, field in table.model_fields.items():
        alias = field.alias or name
        for below, steps in inner(field.annotation):
            yield from tables(below, (*at, alias, *steps))


def inner(annotation: Any) -> Iterator[tuple[type[Table], tuple[Any, ...]]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        yield annotation, ()
    origin = getattr(annotation, "__origin__", None)
    step = {list: (0,), dict: ("web",)}.get(origin, ())
    for part in get_args(annotation):
        for below, steps in inner(part):
            yield below, (*step, *steps)


STAND_INS: dict[str, Any] = {
    "name": "app", "run": "serve", "kind": "redis", "requests": 1, "per": "1m", "value": 50, "when": "cpu > 50%",
    "slo": "p99 < 200ms", "set": "owasp-crs", "domains": "a.org", "agree": True,
    "min": 200, "max": 200, "services": {"web": {"run": "serve"}},
}  # fmt: skip


def document(at: tuple[Any, ...], table: type[Table], key: str, value: Any) -> dict[str, Any]:
    """The smallest file that has `key = value` in the table at that place."""
    held: Any = {**required(table), key: value}
    path = list(at)
    while path:
        step = path.pop()
        around = _at().get(tuple(path)) if step != 0 else None
        held = [held] if step == 0 else {**(required(around) if around is not None else {}), step: held}
    return held


@cache
def _at() -> dict[tuple[Any, ...], type[Table]]:
    return dict(tables(FileTable))


def required(table: type[Table]) -> dict[str, Any]:
    return {name: STAND_INS[name] for name, field in table.model_fields.items() if field.is_required()}
