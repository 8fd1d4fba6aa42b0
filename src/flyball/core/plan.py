"""What would a changed file, or a changed source, mean for the application that runs?

Settings that a release freezes (run, build, env, size, stores) need a new release; all others are applied at once,
without touching an instance. The application's name, its port and its boundary are
fixed until `flyball down`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flyball.core.control.observation import ReleaseSpec
from flyball.core.errors import FileError
from flyball.core.model import Application

RELEASED = frozenset({field.name for field in dataclasses.fields(ReleaseSpec)} - {"content"})
# The file's words where the model has others.
_WORDS = {"deployment": "deploy", "scaling": "scale", "capacity": "instances", "environment": "env"}


class Effect(StrEnum):
    """What carrying out a change takes."""

    RELEASE = "new release"
    AT_ONCE = "at once"
    RESTART = "flyball down and up"
    NEXT_PUSH = "next push"
    AWS = "only on AWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field: its path, its value here and in the file (None: absent)."""

    path: str
    before: object
    after: object
    effect: Effect

    @property
    def text(self) -> str:
        """One line, such as `services.web.instances.max: 10 -> 12`."""
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


def changes(running: Application, wanted: Application) -> tuple[Change, ...]:
    """Every field that differs, in the order of the file."""
    found: list[Change] = []
    for field in dataclasses.fields(Application):
        before, after = getattr(running, field.name), getattr(wanted, field.name)
        if field.name in {"services", "stores"}:
            found += _named(field.name, before, after)
        else:
            effect = {
                "pipeline": Effect.NEXT_PUSH,
                "aws": Effect.AWS,
                "name": Effect.RESTART,
                "boundary": Effect.RESTART,
            }.get(field.name, Effect.AT_ONCE)
            found += _walk(field.name, before, after, effect)
    return tuple(found)


def must_be_possible(running: Application, wanted: Application) -> None:
    """Raise FileError when a running application cannot become the wanted one."""
    for one in changes(running, wanted):
        if one.effect is Effect.RESTART:
            raise FileError(f"{one.text}: this cannot change while it runs; `flyball down` first, then `flyball up`")


def _named(kind: str, running: tuple[Any, ...], wanted: tuple[Any, ...]) -> Iterator[Change]:
    before, after = ({one.name: one for one in found} for found in (running, wanted))
    for name in [*before, *(name for name in after if name not in before)]:
        path, old, new = f"{kind}.{name}", before.get(name), after.get(name)
        if old is None or new is None:
            added = Effect.RELEASE if kind == "services" and old is None else Effect.AT_ONCE
            yield Change(
                path=path, before=None if old is None else "there", after=None if new is None else "there", effect=added
            )
            continue
        for field in dataclasses.fields(old):
            value, wish = getattr(old, field.name), getattr(new, field.name)
            yield from _walk(f"{path}.{_word(field.name)}", value, wish, _effect(kind, field.name))


def _effect(kind: str, field: str) -> Effect:
    if kind == "services" and field in RELEASED:
        return Effect.RELEASE
    return Effect.NEXT_PUSH if kind == "services" and field == "test" else Effect.AT_ONCE


def _walk(path: str, before: Any, after: Any, effect: Effect) -> Iterator[Change]:
    if before == after:
        return
    if dataclasses.is_dataclass(before) and type(before) is type(after):
        for field in dataclasses.fields(before):
            inner = Effect.RESTART if f"{path}.{field.name}" == "listener.port" else effect
            yield from _walk(
                f"{path}.{_word(field.name)}", getattr(before, field.name), getattr(after, field.name), inner
            )
    elif path.endswith(".env"):
        yield from _pairs(path, dict(before), dict(after), effect)
    else:
        yield Change(path=path, before=_plain(before), after=_plain(after), effect=effect)


def _pairs(path: str, before: Mapping[str, str], after: Mapping[str, str], effect: Effect) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Change(path=f"{path}.{name}", before=before.get(name), after=after.get(name), effect=effect)


def _word(field: str) -> str:
    return _WORDS.get(field, field)


def _plain(value: Any) -> Any:
    """A value as JSON knows it, without the fields that have their defaults."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: (getattr(value, field.name), field.default) for field in dataclasses.fields(value)}
        return {name: _plain(given) for name, (given, default) in fields.items() if given != default}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


def _shown(value: object) -> str:
    return "none" if value is None or value == [] else str(value)
