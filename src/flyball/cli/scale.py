"""`flyball scale SERVICE=N`: set the desired capacity; scaling policies stay active."""

from __future__ import annotations

from pathlib import Path

from flyball.core.control.reasons import ReasonKind
from flyball.core.errors import Failed, FileError

from . import talk
from .client import Control
from .files import find_running


def run(path: Path | None, wishes: list[str], *, hold_s: float) -> int:
    """Set the desired capacity of services. Raises `Failed` if one is refused."""
    if not wishes:
        raise FileError("give a service and a number, such as: flyball scale web=3")
    control = Control(find_running(path))
    known = [one["name"] for one in control.application()["services"]]
    refused = []
    for service, desired in [parsed(wish, known) for wish in wishes]:
        for event in control.post(f"services/{service}/scale", desired=desired, hold_s=hold_s):
            if event["kind"] in {ReasonKind.REFUSED, ReasonKind.SCALED_BY_HAND} and event["service"] == service:
                talk.say(f"{service}: {event['reason']}")
                refused += [event["reason"]] if event["kind"] == ReasonKind.REFUSED else []
    if refused:
        raise Failed("nothing was changed: " + "; ".join(refused))
    if not hold_s:
        talk.say("scaling policies stay active; `--hold 5m` pauses them", "dim")
    return 0


def parsed(wish: str, known: list[str]) -> tuple[str, int]:
    """`web=3` as ("web", 3). Raises `FileError` if it has another form or names no service."""
    service, equals, number = wish.partition("=")
    if not equals or not number.isdecimal():
        raise FileError(f"{wish!r} is not SERVICE=N, such as {known[0]}=3")
    if service not in known:
        raise FileError(f"there is no service {service!r}; choose from: {', '.join(known)}")
    return service, int(number)
