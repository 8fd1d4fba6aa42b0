"""`flyball events`: every decision and every hold, with its reason."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from flyball.core.errors import FileError, NotRunning
from flyball.core.view import as_json
from flyball.core.view.shapes import EventJson
from flyball.local.face import Journal

from . import talk
from .client import Control
from .files import find_running
from .parts import parts, regions_of


def run(
    path: Path | None,
    *,
    since_s: float | None,
    service: str | None,
    follow: bool,
    json: bool,
    region: str | None = None,
) -> int:
    """Print events, oldest first; with `follow`, keep printing. Past events can be read when nothing is running."""
    heard = _heard(find_running(path), region)
    since = 0.0 if since_s is None else time.time() - since_s
    each = {control.region: _past(control, since=since, service=service) for control in heard}
    past = [event for events in each.values() for event in events if _is_of(event, region)]
    if service is not None and since_s is None and not past:
        raise FileError(f"there is no event of a service {service!r}")
    last = {region: events[-1]["id"] for region, events in each.items() if events}
    for event in past if len(heard) == 1 else sorted(past, key=lambda event: event["at"]):
        show(event, json=json)
    if follow:
        for new in _new(heard, last, since=since, service=service):
            if _is_of(new, region):
                show(new, json=json)
    return 0


def newest(file: Path, *, limit: int) -> list[EventJson]:
    """The newest events of the application that runs, oldest first; with regions those of all, and of the edge."""
    heard = _heard(file, None)
    if len(heard) == 1:
        return heard[0].events(limit=limit)
    found = [placed(event, one.region) for one in heard if one.running() for event in one.events(limit=limit)]
    return sorted(found, key=lambda event: event["at"])[-limit:]


def followed(control: Control, *, after: int, since: float, service: str | None) -> Iterator[EventJson]:
    """Events as they happen. If there was none so far, the stream also begins with those before `since`."""
    for event in control.stream(after=after):
        if event is not None and event["at"] >= since and (service is None or event["service"] in {service, ""}):
            yield event


def placed(event: EventJson, region: str | None) -> EventJson:
    """The event with the region it is of, if there are some."""
    return event if region is None else {**event, "region": region}


def _heard(file: Path, region: str | None) -> list[Control]:
    """Whose events count: the edge's and one region's or all regions'; the application's where it has no regions."""
    found = parts(file, region)
    return [Control(file), *found] if regions_of(file) else found


def _is_of(event: EventJson, region: str | None) -> bool:
    """What the edge tells of a region is an event of that region, too."""
    return region is None or event.get("region") == region


def _new(
    heard: list[Control], last: Mapping[str | None, int], *, since: float, service: str | None
) -> Iterator[EventJson]:
    """Events of all of them as they happen, until the last stream has ended."""
    if len(heard) == 1:
        (only,) = heard
        for event in followed(only, after=last.get(only.region, 0), since=since, service=service):
            yield placed(event, only.region)
        return
    arrived: queue.SimpleQueue[EventJson | None] = queue.SimpleQueue()

    def listen(control: Control) -> None:
        try:
            for event in followed(control, after=last.get(control.region, 0), since=since, service=service):
                arrived.put(placed(event, control.region))
        except NotRunning:
            pass
        finally:
            arrived.put(None)

    for control in heard:
        threading.Thread(target=listen, args=(control,), daemon=True).start()
    ended = 0
    while ended < len(heard):
        new = arrived.get()
        if new is None:
            ended += 1
        else:
            yield new


def _past(control: Control, *, since: float, service: str | None) -> list[EventJson]:
    try:
        return [placed(event, control.region) for event in control.events(since=since, service=service)]
    except NotRunning:
        if not control.paths.journal.exists():
            if control.region is not None:
                return []  # a region that never came so far
            raise
    journal = Journal(control.paths.journal)
    try:
        found = journal.events(since=since, service=service)
        return [placed(as_json.event(event), control.region) for event in found]
    finally:
        journal.close()


def show(event: EventJson, *, json: bool) -> None:
    """Print one event."""
    if json:
        talk.emit(event)
    else:
        talk.console(sys.stdout).print(talk.decision(event))
