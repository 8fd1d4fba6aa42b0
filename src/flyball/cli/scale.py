"""`flyball scale SERVICE=N`: set the desired capacity; scaling policies stay active."""

from __future__ import annotations

from pathlib import Path

from flyball.core.control.reasons import ReasonKind
from flyball.core.errors import Failed, FileError

from . import talk
from .client import Control
from .files import find_running
from .parts import parts


def run(path: Path | None, wishes: list[str], *, hold_s: float, region: str | None = None) -> int:
    """Set the desired capacity of services, in each region or in one. Raises `Failed` if one is refused."""
    if not wishes:
        raise FileError("give a service and a number, such as: flyball scale web=3")
    refused: list[str] = []
    for control in parts(find_running(path), region):
        refused += _scale(control, wishes, hold_s)
    if refused:
        raise Failed("nothing was changed: " + "; ".join(refused))
    if not hold_s:
        talk.say("scaling policies stay active; `--hold 5m` pauses them", "dim")
    return 0


def _scale(control: Control, wishes: list[str], hold_s: float) -> list[str]:
    known = [one["name"] for one in control.application()["services"]]
    refused = []
    for service, desired in [parsed(wish, known) for wish in wishes]:
        for event in control.post(f"services/{service}/scale", desired=desired, hold_s=hold_s):
            if event["kind"] in {ReasonKind.REFUSED, ReasonKind.SCALED_BY_HAND} and event["service"] == service:
                talk.say(f"{control.of(service)}: {event['reason']}")
                refused += [event["reason"]] if event["kind"] == ReasonKind.REFUSED else []
    return refused


def parsed(wish: str, known: list[str]) -> tuple[str, int]:
    """`web=3` as ("web", 3). Raises `FileError` if it has another form or names no service."""
    service, equals, number = wish.partition("=")
    if not equals or not number.isdecimal():
        raise FileError(f"{wish!r} is not SERVICE=N, such as {known[0]}=3")
    if service not in known:
        raise FileError(f"there is no service {service!r}; choose from: {', '.join(known)}")
    return service, int(number)
