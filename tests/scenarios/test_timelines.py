"""Runs every `*.txt` beside it: a title, TOML for service and world, then a timeline.

A line "at 30s, load 400 rps" is what is done; the indented lines under it are what the loop said until the next one.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from builders import SPEC
from flyball.core.control.observation import Deploy, Replace, Rollback, Scale, Shutdown
from flyball.core.control.reasons import Reason
from flyball.core.model import Application, Capacity, Service
from scenarios.pretend import Behaviour, PretendWorld

HERE = Path(__file__).parent
DO = re.compile(r"at (?P<at>[0-9.]+)s, (?P<what>.+)")


def parse(text: str) -> tuple[str, dict, list[tuple[float, str]]]:
    """Head as written, head as TOML, and the things to do."""
    head, _, timeline = text.partition("\n\nat ")
    todo = []
    for line in ("at " + timeline).splitlines():
        found = DO.fullmatch(line)
        if found:
            todo.append((float(found["at"]), found["what"]))
        else:
            assert line.startswith("    ") or not line, f"neither done nor said: {line}"
    return head, tomllib.loads(head), todo


def known_keys(table: dict, shape: type, where: str) -> None:
    """A misspelt key must not pass as a default."""
    assert is_dataclass(shape)
    assert set(table) <= {field.name for field in fields(shape)}, where


def world_of(settings: dict) -> PretendWorld:
    table = {"name": "web", "run": "serve"} | settings.pop("service", {})
    known_keys(table, Service, "service")
    service = TypeAdapter(Service).validate_python(table)
    for part in ("scaling", "deployment", "health"):
        known_keys(table.get(part, {}), type(getattr(service, part)), part)
    behaviours = {int(number): Behaviour(**rest) for number, rest in settings.pop("release", {}).items()}
    app = Application(name="shop", services=(service,))
    world = {"between": (0.25, 0.5, 0.75)} | settings.pop("world", {})
    return PretendWorld(app=app, behaviours=behaviours, **world)


def do(world: PretendWorld, what: str) -> None:
    verb, *words = what.split()
    match verb, words:
        case "load", [rps, "rps"]:
            world.load_rps = float(rps)
        case "deploy", []:
            world.intents.append(Deploy(service="web", spec=SPEC))
        case "rollback", []:
            world.intents.append(Rollback(service="web"))
        case "rollback", [number]:
            world.intents.append(Rollback(service="web", release=int(number)))
        case "scale", [number]:
            world.intents.append(Scale(service="web", desired=int(number)))
        case "scale", [number, "hold", seconds]:
            world.intents.append(Scale(service="web", desired=int(number), hold_s=float(seconds.rstrip("s"))))
        case "replace", [instance]:
            world.intents.append(Replace(instance=instance))
        case "shutdown", []:
            world.intents.append(Shutdown())
        case "end", []:
            pass
        case _:
            disturb(world, verb, words)


def disturb(world: PretendWorld, verb: str, words: list[str]) -> None:
    match verb, words:
        case "kill", [instance]:
            world.kill(instance)
        case "sicken", [instance]:
            world.sicken(instance)
        case "heal", [instance]:
            world.sicken(instance, sick=False)
        case "balancer", [how]:
            world.balancer = {"away": False, "back": True}[how]
        case "release", [number, how, value]:
            world.behave(int(number), **{how: float(value)})
        case "file", ["min", low, "max", high]:
            (service,) = world.app.services
            changed = replace(service, capacity=Capacity(min=int(low), max=int(high)))
            world.change(replace(world.app, services=(changed,)))
        case _:
            raise AssertionError(f"nobody knows how to: {verb} {words}")


def said(at: float, reason: Reason) -> str:
    change = "" if reason.before is None else f"desired {reason.before} -> {reason.after}: "
    return f"    {at:>7g}s  {reason.kind:<18} {change}{reason.text}"


def play(text: str) -> str:
    head, settings, todo = parse(text)
    world = world_of(settings)
    lines = [head, ""]
    for (at, what), (until, _) in zip(todo, [*todo[1:], todo[-1]], strict=True):
        world.run_until(at)
        do(world, what)
        before = len(world.log)
        world.run_until(until)
        lines.append(f"at {at:g}s, {what}")
        lines += [said(when, reason) for when, reason in world.log[before:]]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", sorted(HERE.glob("*.txt")), ids=lambda path: path.stem)
def test_timeline(path: Path, request: pytest.FixtureRequest):
    text = path.read_text()
    played = play(text)
    if request.config.getoption("update", default=False):
        path.write_text(played)
    assert played == text or request.config.getoption("update", default=False)
