"""What happened to a plain application, read from `flyball events --json` and `flyball load --json` alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]

_LEFT = {"draining", "terminated", "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One application. Times are seconds; None: it did not happen.

    `replaced`: instances that said unhealthy and went without a scale-in. `first_s`: to the first new instance in
    service; `full_s`: until all that were wanted served, enough for the load; both from the first overloaded second.
    `scale_in_waiting`: a scale-in before the last request of the overload was answered. `scale_launch_s`: from
    `flyball scale` after the overload to the launch, `kill_launch_s` from `kill -9` to that of the replacement.
    """

    app: str
    cpu_ms: float
    rate: float
    sent: int
    failed: int
    p50_s: float | None
    p99_s: float | None
    unhealthy: int
    replaced: int
    first_s: float | None
    full_s: float | None
    scale_in_waiting: bool
    scale_launch_s: float | None
    kill_sent: int
    kill_failed: int
    kill_launch_s: float | None
    deploy_sent: int
    deploy_failed: int
    deploy_s: float | None


def between(events: Iterable[Event], start: float, end: float) -> list[Event]:
    """The events of a span."""
    return [event for event in events if start <= event["at"] <= end]


def first(events: Iterable[Event], kind: str, *, since: float) -> float | None:
    """Seconds from a moment to the first event of a kind."""
    return next((event["at"] - since for event in events if event["kind"] == kind and event["at"] >= since), None)


def overloaded(events: Sequence[Event], *, start: float, end: float, enough: int) -> dict[str, Any]:
    """The part of the row that the events of an overload say; `end` is when its last request was answered."""
    during = between(events, start, end)
    kinds = [event["kind"] for event in during]
    return {
        "unhealthy": kinds.count("unhealthy"),
        "replaced": replaced(during),
        "first_s": first(during, "in_service", since=start),
        "full_s": next((at - start for at in complete(events, enough) if start <= at <= end), None),
        "scale_in_waiting": "scale_in" in kinds,
    }


def complete(events: Iterable[Event], enough: int) -> Iterator[float]:
    """The moments after whose events as many instances serve as are wanted, and these are enough."""
    serving: set[str] = set()
    desired = 1
    for event in events:
        if event["to"] is not None:
            desired = event["to"]
        if event["kind"] == "in_service":
            serving.add(event["instance"])
        elif event["kind"] in _LEFT:
            serving.discard(event["instance"])
        if len(serving) == desired >= enough:
            yield event["at"]


def replaced(events: Iterable[Event]) -> int:
    """How many instances said unhealthy and then left, when no scale-in had asked for one less."""
    sick: set[str] = set()
    asked = count = 0
    for event in events:
        match event["kind"]:
            case "unhealthy":
                sick.add(event["instance"])
            case "scale_in":
                asked += event["from"] - event["to"]
            case "scale_out":
                asked = 0
            case "draining" if asked > 0:
                asked -= 1
            case "draining" if event["instance"] in sick:
                count += 1
    return count


def table(rows: Iterable[Row]) -> str:
    """The rows under each other, one application a line."""
    heads = ("app", "ms", "rate", "failed", "p50 / p99 s", "unhealthy / replaced", "first s", "full s", "scale-in")
    heads += ("scale s", "kill failed", "launch s", "deploy failed", "took s")
    lines = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.app,
        f"{row.cpu_ms:.1f}",
        f"{row.rate:.0f}",
        f"{row.failed}/{row.sent}",
        f"{_shown(row.p50_s)} / {_shown(row.p99_s)}",
        f"{row.unhealthy} / {row.replaced}",
        _shown(row.first_s),
        _shown(row.full_s),
        "yes" if row.scale_in_waiting else "no",
        _shown(row.scale_launch_s),
        f"{row.kill_failed}/{row.kill_sent}",
        _shown(row.kill_launch_s),
        f"{row.deploy_failed}/{row.deploy_sent}",
        _shown(row.deploy_s),
    )


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2g}" if seconds < 1 else f"{seconds:.1f}"
