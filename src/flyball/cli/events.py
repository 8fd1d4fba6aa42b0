"""`flyball events`: every decision and every hold, with its reason."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from flyball.core.errors import FileError, NotRunning
from flyball.core.view import as_json
from flyball.core.view.shapes import EventJson
from flyball.local.face import Journal

from . import talk
from .client import Control
from .files import find_running


def run(path: Path | None, *, since_s: float | None, service: str | None, follow: bool, json: bool) -> int:
    """Print events, oldest first; with `follow`, keep printing. Past events can be read when nothing is running."""
    control = Control(find_running(path))
    since = 0.0 if since_s is None else time.time() - since_s
    past = _past(control, since=since, service=service)
    if service is not None and since_s is None and not past:
        raise FileError(f"there is no event of a service {service!r}")
    last = 0
    for event in past:
        last = event["id"]
        show(event, json=json)
    if follow:
        for new in followed(control, after=last, since=since, service=service):
            show(new, json=json)
    return 0


def followed(control: Control, *, after: int, since: float, service: str | None) -> Iterator[EventJson]:
    """Events as they happen. If there was none so far, the stream also begins with those before `since`."""
    for event in control.stream(after=after):
        if event is not None and event["at"] >= since and (service is None or event["service"] in {service, ""}):
            yield event


def _past(control: Control, *, since: float, service: str | None) -> list[EventJson]:
    try:
        return control.events(since=since, service=service)
    except NotRunning:
        if not control.paths.journal.exists():
            raise
    journal = Journal(control.paths.journal)
    try:
        return [as_json.event(event) for event in journal.events(since=since, service=service)]
    finally:
        journal.close()


def show(event: EventJson, *, json: bool) -> None:
    """Print one event."""
    if json:
        talk.emit(event)
    else:
        talk.console(sys.stdout).print(talk.decision(event))
