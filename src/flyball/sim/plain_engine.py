"""One service in virtual time, request by request, in plain Python: the oracle of the compiled engine.

The next thing is always the earliest: an arrival, what some station does next (it ends a request, a request has waited
for its store, the saved processor time is used up), or a request has waited in the queue for too long. At equal times
stations come first, in the order of slots, then the queue.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from math import fsum, inf

from flyball.core.model import BalancingAlgorithm

from .body import Body, Request
from .parts import (
    BALANCER_COOLS_S,
    COARSE,
    COOLS_S,
    DRAWS,
    FINE,
    RETRIES,
    RETRY_S,
    Arrivals,
    Kind,
    Passed,
    Rules,
    Served,
    Station,
    Use,
    coarse_table,
    fine_bucket,
    mean_works,
)

COARSE_OF_MS = coarse_table()
LOWEST_WEIGHT = 0.01


class PlainEngine:
    """See `parts.Engine`. With `log`, how every request ended is kept."""

    def __init__(self, arrivals: Arrivals, kinds: list[Kind], rules: Rules, *, log: list[Served] | None = None) -> None:
        self._arrivals = arrivals
        self._kinds = kinds
        self._failing = [kind.failing for kind in kinds[:: len(rules.mix)]]
        self._mean_works = mean_works(kinds, rules.mix)
        self._rules = rules
        self._log = log
        self._bodies: list[Body] = []
        self._times, self._draws = arrivals.more()
        self._at = 0
        self._number = 0
        self._round = 0.0
        self._queue: deque[Request] = deque()
        self._coarse = [0] * COARSE
        self._fine = [0] * FINE
        self._came = self._well = self._failed = 0
        self._concurrency = rules.concurrency
        self._came_at = -inf
        self._ended, self._inside_s, self._turned_away = 0, 0.0, 0
        self._cores, self._others, self._least, self._whole, self._share = inf, 0.0, 0.0, inf, 1.0

    def add(self, station: Station, *, now: float) -> int:
        """See `Engine`."""
        free = next((body.slot for body in self._bodies if not body.there), len(self._bodies))
        body = Body(slot=free, station=station, seen_at=now, saved=station.saved_s, joined_at=now)
        body.slice_at, body.share, body.rests_since = now + station.slice_at, self._share, now
        self._bodies[free : free + 1] = [body]
        return free

    def remove(self, slot: int, *, now: float) -> None:
        """See `Engine`."""
        body = self._bodies[slot]
        body.advance(now)
        body.there, body.open, body.next_at = False, False, inf
        lost = [one for _, _, one in body.working] + [one for _, _, one in body.waiting] + list(body.line)
        body.working, body.waiting, body.line = [], [], deque()
        for request in sorted(lost, key=lambda one: one.number):
            request.tried.append(slot)
            if not self._rules.repeatable:
                self._fail(request, slot, now)
            elif self._again(request, now):
                self._dispatch(request, now)
        self._settle(now)

    def route(self, slot: int, *, open: bool, weight: float, now: float) -> None:  # noqa: A002
        """See `Engine`."""
        body = self._bodies[slot]
        if open and not body.open:
            body.joined_at, body.deadline = now, self._round + 1.0 / weight
        body.open, body.weight = open, weight
        self._serve_queue(now)
        self._settle(now)

    def pace(self, slot: int, factor: float, *, now: float) -> None:
        """See `Engine`."""
        body = self._bodies[slot]
        body.advance(now)
        body.factor = factor
        body.plan()
        self._settle(now)

    def machine(self, cores: float, others: float, *, least: float = 0.0, whole: float = inf, now: float) -> None:
        """See `Engine`."""
        self._cores, self._others, self._least, self._whole = cores, others, least, whole
        self._settle(now)

    def _settle(self, now: float) -> None:
        """Everybody goes on at the share of the machine that is left, when that changes."""
        wanted = self._others
        for body in self._bodies:
            wanted += body.wanted()
        share = 1.0
        if wanted > self._cores:
            share = max(self._cores / wanted, min(self._least, self._whole / wanted))
        if share == self._share:
            return
        self._share = share
        for body in self._bodies:
            if body.there:
                body.advance(now)
                body.share = share
                body.plan()

    def limit(self, concurrency: int, *, now: float) -> None:
        """See `Engine`."""
        self._concurrency = concurrency
        self._serve_queue(now)
        self._settle(now)

    def fail(self, release: int, share: float) -> None:
        """See `Engine`."""
        self._failing[release] = share

    def run(self, until: float) -> None:
        """See `Engine`."""
        while True:
            body = min(self._bodies, key=lambda one: one.next_at, default=None)
            comes = self._times[self._at] if self._at < len(self._times) else inf
            late = self._queue[0].since + self._rules.longest_s if self._queue else inf
            at = min(body.next_at if body else inf, late, comes)
            if at > until or at == inf:
                break
            if body is not None and body.next_at == at:
                self._happen(body)
            elif late == at:
                self._turn_away(self._queue.popleft(), at)
            else:
                self._arrive(comes)
            if self._cores < inf:
                self._settle(at)
        for one in self._bodies:
            if one.there:
                one.advance(until)
                one.plan()

    def _happen(self, body: Body) -> None:
        now, what = body.next_at, body.what
        body.advance(now)
        if what == "spent":
            body.saved = 0.0
        elif what == "slice":
            body.take(1.0)
        elif what == "woken":
            _, _, request = heappop(body.waiting)
            self._work(body, request)
        else:
            ends, _, request = heappop(body.working)
            body.clock = ends if body.working else 0.0
            self._answer(body, request, now)
            if body.line:
                self._begin(body, body.line.popleft(), now)
            body.plan()
            self._serve_queue(now)
        body.plan()

    def _arrive(self, now: float) -> None:
        first = DRAWS * self._at
        draws = self._draws[first : first + DRAWS]
        route = next(index for index, upper in enumerate(self._rules.mix) if draws[1] < upper)
        lower = self._rules.mix[route - 1] if route else 0.0
        wrong = (draws[1] - lower) / (self._rules.mix[route] - lower)  # what is left of the draw is as random
        rested = min((now - self._came_at) / BALANCER_COOLS_S, 1.0)
        way = _drawn(self._rules.way, draws[0]) + self._rules.cold_way_s * rested
        request = Request(self._number, now, draws, route, wrong, way=way)
        self._came_at = now
        self._at += 1
        if self._at == len(self._times):
            (self._times, self._draws), self._at = self._arrivals.more(), 0
        self._number += 1
        self._came += 1
        if self._concurrency and self._room() <= 0:
            self._put_off(request, now)
        else:
            self._dispatch(request, now)

    def _dispatch(self, request: Request, now: float) -> None:
        while True:
            body = self._choose(request, now)
            if body is None:
                self._fail(request, -1, now)
                return
            full = body.busy >= body.station.workers and len(body.line) >= body.station.backlog
            if not full:
                self._send(body, request, now)
                return
            request.tried.append(body.slot)
            if not self._again(request, now):
                return

    def _put_off(self, request: Request, now: float) -> None:
        """Let it wait in the balancer, if there is room."""
        if len(self._queue) < self._rules.queue:
            request.since = now
            self._queue.append(request)
        else:
            self._turn_away(request, now)

    def _turn_away(self, request: Request, now: float) -> None:
        self._turned_away += 1
        self._fail(request, -1, now)

    def _room(self) -> float:
        """How many more may be at work. Without an instance it is not the queue that refuses them."""
        most, weights, loads = 0.0, 0.0, 0
        for body in self._bodies:
            if body.open:
                most, weights, loads = max(most, body.weight), weights + body.weight, loads + body.load
        return float(int(self._concurrency * (weights / most)) - loads) if most > 0 else inf

    def _again(self, request: Request, now: float) -> bool:
        """Whether it may be tried once more."""
        if len(request.tried) > RETRIES:
            self._fail(request, -1, now)
            return False
        request.born -= RETRY_S
        return True

    def _choose(self, request: Request, now: float) -> Body | None:
        able = [one for one in self._bodies if one.open and one.slot not in request.tried]
        if not able:
            return None
        if self._rules.algorithm is BalancingAlgorithm.ROUND_ROBIN:
            chosen = min(able, key=lambda one: one.deadline)
            self._round = chosen.deadline
            chosen.deadline = self._round + 1.0 / self._weight(chosen, now)
            return chosen
        scores = [(one.load + 1) / one.weight for one in able]
        least = min(scores)
        tied = [one for one, score in zip(able, scores, strict=True) if score == least]
        return tied[int(request.draws[2] * len(tied))]

    def _weight(self, body: Body, now: float) -> float:
        slow_s, weight = self._rules.slow_start_s, body.weight
        if self._rules.by_turns:
            weight /= body.load + 1
        if slow_s > 0 and now - body.joined_at < slow_s:
            return weight * max(LOWEST_WEIGHT, (now - body.joined_at) / slow_s)
        return weight

    def _send(self, body: Body, request: Request, now: float) -> None:
        body.advance(now)
        request.since = now
        body.used.sent += 1
        if body.busy < min(body.station.workers, self._rules.connections):
            self._begin(body, request, now)
        else:
            body.line.append(request)
        body.plan()

    def _begin(self, body: Body, request: Request, now: float) -> None:
        cold = 0.0
        if not body.busy and body.station.cold_s > 0:
            cold = body.station.cold_s * min((now - body.rests_since) / COOLS_S, 1.0)
        request.work = _drawn(self._kind(body, request).work, request.draws[0]) + cold
        wait = _drawn(self._kind(body, request).wait, request.draws[0])
        if wait > 0:
            heappush(body.waiting, (now + wait, request.number, request))
        else:
            self._work(body, request)

    def _work(self, body: Body, request: Request) -> None:
        heappush(body.working, (body.clock + request.work, request.number, request))

    def _kind(self, body: Body, request: Request) -> Kind:
        return self._kinds[body.station.release * len(self._rules.mix) + request.route]

    def _answer(self, body: Body, request: Request, now: float) -> None:
        body.used.answered += 1
        body.rests_since = now
        self._ended += 1
        self._inside_s += now - request.since
        at_balancer = now - request.born
        latency = at_balancer + request.way
        wrong = request.wrong < self._failing[body.station.release]
        late = latency > self._rules.timeout_s
        if late:
            latency = self._rules.timeout_s
            at_balancer = min(at_balancer, latency)
        if wrong or late:
            body.used.errors += 1
            self._failed += 1
        else:
            self._well += 1
        self._coarse[COARSE_OF_MS[min(int(at_balancer * 1000.0), 60_000)]] += 1
        self._fine[fine_bucket(latency)] += 1
        self._keep(request, body.slot, now, 504 if late else 500 if wrong else 200)

    def _fail(self, request: Request, slot: int, now: float) -> None:
        self._failed += 1
        self._keep(request, slot, now, 503)

    def _keep(self, request: Request, slot: int, now: float, status: int) -> None:
        if self._log is not None:
            self._log.append(Served(request.number, slot, now, status))

    def _serve_queue(self, now: float) -> None:
        while self._queue and 0 < self._room() < inf:
            self._dispatch(self._queue.popleft(), now)

    def load(self, slot: int) -> int:
        """See `Engine`."""
        return self._bodies[slot].load

    def backlog_s(self, slot: int) -> float:
        """See `Engine`."""
        body = self._bodies[slot]
        if body.factor <= 0:
            return inf
        left = fsum(ends - body.clock for ends, _, _ in body.working)  # in whatever order they lie
        left += len(body.line) * self._mean_works[body.station.release]
        pace = min(body.station.cores, body.station.peak) * body.factor
        return left / pace if body.busy >= body.station.workers else 0.0

    def queued(self) -> int:
        """See `Engine`."""
        return len(self._queue) + sum(max(one.load - self._rules.connections, 0) for one in self._bodies)

    def passed(self) -> Passed:
        """See `Engine`."""
        found = Passed(self._ended, self._inside_s, self._turned_away)
        self._ended, self._inside_s, self._turned_away = 0, 0.0, 0
        return found

    def use(self, slot: int) -> Use:
        """See `Engine`."""
        body = self._bodies[slot]
        used, body.used = body.used, Use()
        return used

    def coarse(self) -> list[int]:
        """See `Engine`."""
        counts, self._coarse = self._coarse, [0] * COARSE
        return counts

    def fine(self) -> list[int]:
        """See `Engine`."""
        counts, self._fine = self._fine, [0] * FINE
        return counts

    def totals(self) -> tuple[int, int, int]:
        """See `Engine`."""
        return self._came, self._well, self._failed


def _drawn(table: tuple[float, ...], draw: float) -> float:
    """The quantile at a draw from [0, 1), on a straight line between the table's entries."""
    at = draw * (len(table) - 1)
    below = min(int(at), len(table) - 2)
    return table[below] + (at - below) * (table[below + 1] - table[below])
