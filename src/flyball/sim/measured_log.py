"""What an access log tells of requests: how long those took that an instance had to itself.

A request among others only shows how long it waited. One that came soon after others may have found the instance's CPU
share spent, so there must have been few of them. One that came after a rest took longer (`parts`); both are told apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from statistics import fmean, median

from .measured_steps import Measured, Reading
from .parts import COOLS_S

SLICE_S = 0.1
LOOKED_BACK_S = 2 * SLICE_S
WARM = 0.5
LEAST_LEFT = 0.1
ENOUGH = 30
"""So many requests after a rest, and without one, tell the difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """One request that had its instance to itself. `release` is None where the journal does not say.

    `cold`: what of the price of a rest it paid, from 0 to 1.
    """

    service: str
    release: int | None
    route: str
    took_s: float
    cold: float


@dataclass(frozen=True, slots=True)
class Row:
    """One request at an instance: when it came, and how long the instance took."""

    at: float
    took_s: float
    path: str


@dataclass(frozen=True, slots=True)
class Had:
    """How long the balancer had a request, and how much of that neither its queue nor the instance took.

    `at`: when it came.
    """

    at: float
    whole_s: float
    own_s: float


@dataclass(slots=True)
class Log:
    """What a log tells. `instances`: all requests, by service and instance.

    `had`: by service, what the balancer did with those that came in a window. `cold`: by service, what of the price of
    a rest all requests paid on average.
    """

    alone: list[Alone] = field(default_factory=list)
    had: dict[str, list[Had]] = field(default_factory=dict)
    cold: dict[str, float] = field(default_factory=dict)
    instances: dict[tuple[str, str], list[Row]] = field(default_factory=dict)


def read(lines: Iterable[str], reading: Reading, window: tuple[float, float] | None) -> Log:
    """All that was answered without an error. Without a window `had` has all."""
    log = Log()
    colds: dict[str, list[float]] = {}
    for number, line in enumerate(lines):
        try:
            row = json.loads(line)
            if row["instance"] and int(row["status"]) < 500:
                one = Row(float(row["at"]), _took_s(row, number), str(row.get("path", "/")))
                log.instances.setdefault((str(row["service"]), str(row["instance"])), []).append(one)
                if (window is None or window[0] <= one.at <= window[1]) and "duration_us" in row:
                    log.had.setdefault(str(row["service"]), []).append(_had(row, one.took_s))
        except (ValueError, KeyError, TypeError):  # a torn line
            continue
    for (service, instance), rows in log.instances.items():
        seen = reading.found.get(service, Measured())
        release = reading.launched[instance][1] if instance in reading.launched else None
        rows.sort(key=lambda row: row.at)
        cold = _colds(rows)
        colds.setdefault(service, []).extend(cold)
        for index in _lone(rows, seen):
            one = rows[index]
            route = _route(one.path, seen.routes)
            log.alone.append(Alone(service=service, release=release, route=route, took_s=one.took_s, cold=cold[index]))
    log.cold = {service: fmean(found) for service, found in colds.items()}
    return log


def price_of_rest(taken: Iterable[tuple[float, float]]) -> float:
    """What a request costs more after a rest: (what of it was paid, from 0 to 1; what it took) of each.

    Those that paid all of it against those that paid little.
    """
    rested, others = [], []
    for paid, took_s in taken:
        if paid >= 1:
            rested.append(took_s)
        elif paid < WARM:
            others.append((paid, took_s))
    if min(len(rested), len(others)) < ENOUGH:
        return 0.0
    share = fmean(paid for paid, _ in others)
    return max(median(rested) - median(took_s for _, took_s in others), 0.0) / (1 - share)


def less_rest(took_s: float, price_s: float) -> float:
    """Without what was paid for a rest, which is never nearly all of it."""
    return max(took_s - price_s, LEAST_LEFT * took_s)


def _had(row: dict[str, object], took_s: float) -> Had:
    whole_s, waited_s = float(str(row["duration_us"])) / 1e6, float(str(row.get("waited_ms") or 0)) / 1000
    return Had(float(str(row["at"])), whole_s, max(whole_s - waited_s - took_s, 0.0))


def _colds(rows: list[Row]) -> list[float]:
    """What of the price of a rest each of an instance's requests paid."""
    found, free_at = [], None
    for row in rows:
        found.append(1.0 if free_at is None else min(max((row.at - free_at) / COOLS_S, 0.0), 1.0))
        free_at = row.at + row.took_s if free_at is None else max(free_at, row.at + row.took_s)
    return found


def _took_s(row: dict[str, object], number: int) -> float:
    exact = row.get("instance_us")
    if exact is not None:
        return float(str(exact)) / 1e6
    # An older log has cut off parts of a millisecond: between two whole ones anything is as likely.
    return (float(str(row["instance_ms"])) + (number % 10 + 0.5) / 10) / 1000


def _lone(rows: list[Row], seen: Measured) -> list[int]:
    """Which no other one overlaps, after so few that the share cannot be spent."""
    work_s = seen.any_work_s
    few = max(1, int(seen.size.cpu * SLICE_S / work_s / 2)) if work_s else len(rows)
    found, free_at, first = [], 0.0, 0
    for index, row in enumerate(rows):
        while rows[first].at < row.at - LOOKED_BACK_S:
            first += 1
        ends = row.at + row.took_s
        after = rows[index + 1].at if index + 1 < len(rows) else ends
        if row.at >= free_at and after >= ends and index - first <= few:
            found.append(index)
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
