"""Waiting for services to come up or for a rollout to end, and saying why when they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flyball.local import logs
from flyball.local.paths import StateDirectory

ENDED_BADLY = {"build_failed", "rollout_failed", "rolled_back"}
LAST_LINES = 15


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: `failure` is None when all is well, else the sentence; `lines` are the failing thing's last."""

    failure: str | None
    lines: tuple[str, ...] = ()


def all_in_service(application: dict[str, Any], services: Mapping[str, int | None]) -> bool:
    """Whether each service has its minimum in service, nothing under way, and the wanted release (None: any)."""
    return all(
        one["capacity"]["in_service"] >= one["capacity"]["min"]
        and one["release"] is not None
        and services[one["name"]] in {None, one["release"]}
        and one["building"] is None
        and one["rollout"] is None
        for one in application["services"]
        if one["name"] in services
    )


def until_settled(
    events: Iterator[dict[str, Any] | None],
    describe: Callable[[], dict[str, Any]],
    paths: StateDirectory,
    *,
    services: Mapping[str, int | None],
    on_event: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Outcome:
    """Follow events until the services are settled on the wanted releases or one of them ended badly."""
    failing: dict[str, str] = {}
    for event in events:
        if event is not None:
            on_event(event)
            if event["service"] in services:
                if event["kind"] == "failed" and event["instance"]:
                    failing[event["service"]] = event["instance"]
                # A rollback by hand ends with this word too: there the release that went is not the wanted one.
                if event["kind"] in ENDED_BADLY and services[event["service"]] in {None, event["release"]}:
                    return Outcome(event["reason"], last_lines(paths, event, failing.get(event["service"])))
        if all_in_service(describe(), services):
            return Outcome(None)
    return Outcome("the control plane ended while this was waiting")


def last_lines(paths: StateDirectory, event: dict[str, Any], instance: str | None) -> tuple[str, ...]:
    """The last lines that explain a bad end: of the build, or of the instance that failed last."""
    name = f"build-{event['service']}-{event['release']}" if event["kind"] == "build_failed" else instance
    path = paths.logs / f"{name}.log"
    return tuple(logs.tail(path, LAST_LINES)) if name is not None and path.exists() else ()
