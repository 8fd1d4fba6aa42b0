"""What an access log shows: how long requests took that found no other request at their instance.

A request that finds others only shows how long it waited. One that came soon after others may have found the instance's
CPU share spent, so there must have been few of them. One that came after a rest took longer (`parts`); both are told
apart.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf
from statistics import fmean, median

from .measured_steps import Measured, Reading
from .parts import COOLS_S

SLICE_S = 0.1
LOOKED_BACK_S = 2 * SLICE_S
WARM = 0.5
LEAST_LEFT = 0.1
ENOUGH = 30
"""How many requests after a rest, and without one, are enough to measure the difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """A request that found no other at its instance. `release` is None where the journal does not say.

    `cold`: how much of the cost of a rest it paid, from 0 to 1.
    """

    service: str
    release: int | None
    route: str
    took_s: float
    cold: float


@dataclass(frozen=True, slots=True)
class Row:
    """One request at an instance: when it came, and how long the instance took.

    `whole_s`: how long the balancer had it, `waited_s` of that in its queue; None where an older log does not tell.
    """

    at: float
    took_s: float
    path: str
    whole_s: float | None = None
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Had:
    """How long a request was in the balancer, in the instance, and in neither the instance nor the queue.

    `at`: when it came; `lone`: it found no other request at its instance.
    """

    at: float
    whole_s: float
    took_s: float
    own_s: float
    lone: bool


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
                log.instances.setdefault((str(row["service"]), str(row["instance"])), []).append(_row(row, number))
        except (ValueError, KeyError, TypeError):  # a torn line
            continue
    for (service, instance), rows in log.instances.items():
        seen = reading.found.get(service, Measured())
        release = reading.launched[instance][1] if instance in reading.launched else None
        rows.sort(key=lambda row: row.at)
        cold = _colds(rows)
        colds.setdefault(service, []).extend(cold)
        lone = dict(_lone(rows, seen))
        log.had.setdefault(service, []).extend(_had(rows, lone, window or (-inf, inf)))
        for index, took_s in lone.items():
            route = _route(rows[index].path, seen.routes)
            log.alone.append(Alone(service=service, release=release, route=route, took_s=took_s, cold=cold[index]))
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


def _row(row: dict[str, object], number: int) -> Row:
    took_s, whole = _took_s(row, number), row.get("duration_us")
    waited_s = float(str(row.get("waited_ms") or 0)) / 1000
    whole_s = None if whole is None else float(str(whole)) / 1e6
    return Row(float(str(row["at"])), took_s, str(row.get("path", "/")), whole_s, waited_s)


def _had(rows: list[Row], lone: Collection[int], window: tuple[float, float]) -> Iterator[Had]:
    for index, one in enumerate(rows):
        if one.whole_s is not None and window[0] <= one.at <= window[1]:
            own_s = max(one.whole_s - one.waited_s - one.took_s, 0.0)
            yield Had(one.at, one.whole_s, one.took_s, own_s, index in lone)


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


def _lone(rows: list[Row], seen: Measured) -> Iterator[tuple[int, float]]:
    """Requests that found no other, after so few that the CPU share cannot be spent; and how long each took.

    The work of requests that came meanwhile is subtracted, as far as they shared the processor. Leaving out all that
    did not stay alone to their end would leave out the long ones: at 200 requests in a second hardly one of 20 ms
    stays alone.
    """
    work_s = seen.any_work_s
    few = max(1, int(seen.size.cpu * SLICE_S / work_s / 2)) if work_s else len(rows)
    times = [row.at for row in rows]
    free_at, first = 0.0, 0
    for index, row in enumerate(rows):
        while rows[first].at < row.at - LOOKED_BACK_S:
            first += 1
        ends = row.at + row.took_s
        if row.at >= free_at and index - first <= few:
            meanwhile = times[index + 1 : bisect_left(times, ends, index)]
            if work_s or not meanwhile:
                theirs_s = sum(min(work_s, (ends - at) / 2) for at in meanwhile)
                yield index, max(row.took_s - theirs_s, min(row.took_s, work_s))
        free_at = max(free_at, ends)


def _route(path: str, routes: tuple[str, ...]) -> str:
    """The service's longest route that the path matches."""
    plain = path.partition("?")[0]
    matching = [one for one in routes if _matches(plain, one)]
    return max(matching, key=len, default="/")


def _matches(path: str, route: str) -> bool:
    if "*" in route or "?" in route:
        return fnmatchcase(path, route)
    return route in {"/", path} or path.startswith(f"{route}/")
