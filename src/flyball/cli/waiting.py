"""Wait for services to come up or for a rollout to end, and say why if they do not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from flyball.core.control.reasons import Reason, ReasonKind
from flyball.core.control.state import RolloutPhase
from flyball.core.control.verdicts import Awaited, heard
from flyball.core.errors import NotRunning
from flyball.core.view.as_json import reason_of
from flyball.core.view.shapes import ApplicationJson, EventJson, ServiceJson
from flyball.local.face import logs
from flyball.local.paths import StateDirectory

GIVEN_UP = frozenset({RolloutPhase.STALLED, RolloutPhase.ROLLBACK_FAILED})
JUDGED = frozenset({RolloutPhase.RUNNING, RolloutPhase.ROLLING_BACK})
GONE = "the control plane ended while this command was waiting"
LAST_LINES = 15
GIVE_UP = 4
"""Failed instances in a row after which a service is given up, if no rollout judges it and it has none in service."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: `failure` is None on success, else the reason; `lines` are the last lines of what failed."""

    failure: str | None
    lines: tuple[str, ...] = ()


def until_settled(
    events: Iterator[EventJson | None],
    describe: Callable[[], ApplicationJson],
    paths: StateDirectory,
    *,
    services: Mapping[str, int | None],
    on_event: Callable[[EventJson], None] = lambda _: None,
) -> Outcome:
    """Follow events until each service serves its wanted release (None: any), or has failed and gone back."""
    awaited = {name: Awaited(release=number) for name, number in services.items()}
    last = 0
    with contextlib.suppress(NotRunning):  # it may exit between an event and the next request
        for event in events:
            if event is not None:
                on_event(event)
                last = event["id"] or last
                if event["service"] in awaited:
                    awaited[event["service"]] = heard(awaited[event["service"]], reason_of(event))
            if event is None or any(one.release is None for one in awaited.values()):
                described = describe()
                now = {one["name"]: one for one in described["services"]}
                heard_all = event is None or last >= described["last_event"]
                awaited = {name: _looked_at(one, now.get(name), heard_all) for name, one in awaited.items()}
            if all(one.verdict is not None for one in awaited.values()):
                return outcome(awaited.values(), paths)
    return Outcome(GONE)


def outcome(awaited: Iterable[Awaited], paths: StateDirectory) -> Outcome:
    """How it ended for all of them."""
    failed = [one for one in awaited if one.verdict]
    if not failed:
        return Outcome(None)
    lines = [line for one in failed if one.cause for line in _last_lines(paths, one.cause, one.failing)]
    return Outcome("; ".join(one.verdict or "" for one in failed), tuple(lines))


def _last_lines(paths: StateDirectory, cause: Reason, instance: str | None) -> tuple[str, ...]:
    """The last lines that explain a failure: of the build, or of the instance that failed last."""
    name = f"build-{cause.service}-{cause.release}" if cause.kind is ReasonKind.BUILD_FAILED else instance
    path = paths.logs / f"{name}.log"
    return tuple(logs.tail(path, LAST_LINES)) if name is not None and path.exists() else ()


def _looked_at(awaited: Awaited, now: ServiceJson | None, heard_all: bool) -> Awaited:
    """What the state says where no event does: that a service is gone, serves already, or fails for ever."""
    if awaited.verdict is not None:
        return awaited
    if now is None:
        return replace(awaited, verdict="the file no longer has it")
    if awaited.release is not None:
        return awaited
    if awaited.failure is not None and _is_hopeless(awaited, now):
        why = f"{awaited.failures} instances failed in a row, the last: {awaited.failure.text}"
        return replace(awaited, verdict=why, cause=awaited.cause or awaited.failure)
    return replace(awaited, verdict="") if heard_all and awaited.cause is None and _serves(now) else awaited


def _serves(now: ServiceJson) -> bool:
    """Whether it has its minimum in service and nothing under way; what was given up is not under way."""
    rollout, capacity = now["rollout"], now["capacity"]
    quiet = now["building"] is None and (rollout is None or rollout["phase"] in GIVEN_UP)
    return quiet and now["release"] is not None and capacity["in_service"] >= capacity["min"]


def _is_hopeless(awaited: Awaited, now: ServiceJson) -> bool:
    """Whether it keeps failing: the circuit breaker judges rollouts and rollbacks, but not a release that served."""
    judged = now["rollout"] is not None and now["rollout"]["phase"] in JUDGED
    return awaited.failures >= GIVE_UP and not judged and now["capacity"]["in_service"] == 0
