"""Waiting for services to come up or for a rollout to end, and saying why when they do not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flyball.core.errors import NotRunning
from flyball.local.paths import StateDirectory
from flyball.local.process import logs

ENDED_BADLY = {"build_failed", "rollout_failed", "rollback_failed"}
GIVEN_UP = {"stalled", "rollback_failed"}
"""Phases of a rollout that goes nowhere any more."""
GONE = "the control plane ended while this was waiting"
LAST_LINES = 15
GIVE_UP = 4
"""Failed instances in a row of a service that no rollout judges and that has none in service."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: `failure` is None when all is well, else the sentence; `lines` are the failing thing's last."""

    failure: str | None
    lines: tuple[str, ...] = ()


@dataclass(slots=True)
class _Watched:
    """One service: the release that is wanted (None: any), and the event that said why it will not be."""

    release: int | None
    failing: str | None = None
    ended: dict[str, Any] | None = None
    why: str | None = None
    back: bool = False
    failures: int = 0
    last_failure: dict[str, Any] | None = None

    def hear(self, event: dict[str, Any]) -> None:
        if event["kind"] == "failed" and event["instance"]:
            self.failing, self.last_failure = event["instance"], event
            self.failures += 1
        elif event["kind"] == "in_service":
            self.failures = 0
        # A rollback by hand ends a rollout too: there the release that fails is not the wanted one.
        if event["kind"] in ENDED_BADLY and self.release in {None, event["release"]}:
            self.ended = event
            self.why, self.back = event["reason"], event["kind"] == "build_failed"
        elif event["kind"] in {"rolled_back", "rollback_failed"} and self.ended is not None:
            self.why, self.back = event["reason"], event["kind"] == "rolled_back"


def in_service(one: Mapping[str, Any], release: int | None) -> bool:
    """Whether a service has its minimum in service, nothing under way, and the wanted release (None: any).

    A rollout that was given up is not under way: what serves beside it goes on.
    """
    return (
        one["capacity"]["in_service"] >= one["capacity"]["min"]
        and one["release"] is not None
        and release in {None, one["release"]}
        and _quiet(one)
    )


def until_settled(
    events: Iterator[dict[str, Any] | None],
    describe: Callable[[], dict[str, Any]],
    paths: StateDirectory,
    *,
    services: Mapping[str, int | None],
    on_event: Callable[[dict[str, Any]], None] = lambda _: None,
) -> Outcome:
    """Follow events until each service is in service with its wanted release, or has failed and gone back."""
    watched = {name: _Watched(release) for name, release in services.items()}
    with contextlib.suppress(NotRunning):  # it may end between an event and the question about it
        for event in events:
            if event is not None:
                on_event(event)
                if event["service"] in watched:
                    watched[event["service"]].hear(event)
            now = {one["name"]: one for one in describe()["services"]}
            if all(_settled(one, now.get(name), heard_all=event is None) for name, one in watched.items()):
                return _outcome(watched, paths)
    return Outcome(GONE)


def last_lines(paths: StateDirectory, event: Mapping[str, Any], instance: str | None) -> tuple[str, ...]:
    """The last lines that explain a bad end: of the build, or of the instance that failed last."""
    name = f"build-{event['service']}-{event['release']}" if event["kind"] == "build_failed" else instance
    path = paths.logs / f"{name}.log"
    return tuple(logs.tail(path, LAST_LINES)) if name is not None and path.exists() else ()


def _quiet(one: Mapping[str, Any]) -> bool:
    return one["building"] is None and (one["rollout"] is None or _given_up(one))


def _given_up(one: Mapping[str, Any]) -> bool:
    return one["rollout"] is not None and one["rollout"]["phase"] in GIVEN_UP


def _settled(watched: _Watched, now: Mapping[str, Any] | None, *, heard_all: bool) -> bool:
    if now is None:
        return True  # the file has it no more
    if _hopeless(watched, now):
        return True
    if _given_up(now) and watched.ended is None and not heard_all:
        return False  # it says why in an event that is still to come
    if watched.ended is not None and (watched.back or _given_up(now)):
        return True
    if watched.release is not None and _quiet(now) and (now["release"] or 0) > watched.release:
        watched.why = watched.why or f"release {watched.release} was replaced by release {now['release']}"
        return True
    return watched.ended is None and in_service(now, watched.release)


def _hopeless(watched: _Watched, now: Mapping[str, Any]) -> bool:
    """Whether it fails for ever: the circuit breaker judges a rollout and a rollback, nobody a release that served."""
    judged = now["rollout"] is not None and now["rollout"]["phase"] in {"running", "rolling_back"}
    last = watched.last_failure
    if last is None or watched.failures < GIVE_UP or judged or now["capacity"]["in_service"] > 0:
        return False
    watched.ended = watched.ended or last
    watched.why = f"{watched.failures} instances failed one after another, the last: {last['reason']}"
    return True


def _outcome(watched: Mapping[str, _Watched], paths: StateDirectory) -> Outcome:
    failed = [one for one in watched.values() if one.why is not None]
    if not failed:
        return Outcome(None)
    lines = [line for one in failed if one.ended for line in last_lines(paths, one.ended, one.failing)]
    return Outcome("; ".join(one.why or "" for one in failed), tuple(lines))
