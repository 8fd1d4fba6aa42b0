"""What an access log tells of requests: how long those took that an instance had to itself.

A request among others only shows how long it waited. One that came soon after others may have found the instance's CPU
share spent, so there must have been few of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from .measured_steps import Measured, Reading

SLICE_S = 0.1
LOOKED_BACK_S = 2 * SLICE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """One request that had its instance to itself. `release` is None where the journal does not say."""

    service: str
    release: int | None
    route: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """One request at an instance: when it came, and how long the instance took."""

    at: float
    took_s: float
    path: str


@dataclass(slots=True)
class Log:
    """What a log tells. `instances`: all requests, by service and instance.

    `had`: by service, how long the balancer had those that came in a window.
    """

    alone: list[Alone] = field(default_factory=list)
    had: dict[str, list[float]] = field(default_factory=dict)
    instances: dict[tuple[str, str], list[Row]] = field(default_factory=dict)


def read(lines: Iterable[str], reading: Reading, window: tuple[float, float] | None) -> Log:
    """All that was answered without an error."""
    log = Log()
    for number, line in enumerate(lines):
        try:
            row = json.loads(line)
            if row["instance"] and int(row["status"]) < 500:
                one = Row(float(row["at"]), _took_s(row, number), str(row.get("path", "/")))
                log.instances.setdefault((str(row["service"]), str(row["instance"])), []).append(one)
                if window is not None and window[0] <= one.at <= window[1] and "duration_us" in row:
                    log.had.setdefault(str(row["service"]), []).append(float(row["duration_us"]) / 1e6)
        except (ValueError, KeyError, TypeError):  # a torn line
            continue
    for (service, instance), rows in log.instances.items():
        seen = reading.found.get(service, Measured())
        release = reading.launched[instance][1] if instance in reading.launched else None
        for one in _lone(sorted(rows, key=lambda row: row.at), seen):
            route = _route(one.path, seen.routes)
            log.alone.append(Alone(service=service, release=release, route=route, took_s=one.took_s))
    return log


def _took_s(row: dict[str, object], number: int) -> float:
    exact = row.get("instance_us")
    if exact is not None:
        return float(str(exact)) / 1e6
    # An older log has cut off parts of a millisecond: between two whole ones anything is as likely.
    return (float(str(row["instance_ms"])) + (number % 10 + 0.5) / 10) / 1000


def _lone(rows: list[Row], seen: Measured) -> list[Row]:
    """Those that no other one overlaps, after so few that the share cannot be spent."""
    work_s = seen.any_work_s
    few = max(1, int(seen.size.cpu * SLICE_S / work_s / 2)) if work_s else len(rows)
    found, free_at, first = [], 0.0, 0
    for index, row in enumerate(rows):
        while rows[first].at < row.at - LOOKED_BACK_S:
            first += 1
        ends = row.at + row.took_s
        after = rows[index + 1].at if index + 1 < len(rows) else ends
        if row.at >= free_at and after >= ends and index - first <= few:
            found.append(row)
        free_at = max(free_at, ends)
    return found


def _route(path: str, routes: tuple[str, ...]) -> str:
    """The service's longest route that the path matches."""
    plain = path.partition("?")[0]
    matching = [one for one in routes if _matches(plain, one)]
    return max(matching, key=len, default="/")


def _matches(path: str, route: str) -> bool:
    if "*" in route or "?" in route:
        return fnmatchcase(path, route)
    return route in {"/", path} or path.startswith(f"{route}/")
