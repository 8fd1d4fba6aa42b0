"""One station of the plain engine with what it has in hand: how fast it works, and what it does next."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor, inf

from .parts import Station, Use


@dataclass(slots=True)
class Request:
    """One request. `born`: when it came, less what its retries cost. `tried`: slots that refused or lost it.

    `wrong`: its draw of whether the answer is an error. `since`: when it began to wait in the queue or was sent.
    `work`: what it takes of the processor; `way`: what it waits outside.
    """

    number: int
    born: float
    draws: Sequence[float]
    route: int
    wrong: float
    since: float = 0.0
    work: float = 0.0
    way: float = 0.0
    tried: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Body:
    """One station and what it has in hand. `clock` is its virtual time: what each working request has been given."""

    slot: int
    station: Station
    seen_at: float
    saved: float
    joined_at: float
    there: bool = True
    open: bool = False
    factor: float = 1.0
    weight: float = 1.0
    deadline: float = 0.0
    clock: float = 0.0
    working: list[tuple[float, int, Request]] = field(default_factory=list)
    waiting: list[tuple[float, int, Request]] = field(default_factory=list)
    line: deque[Request] = field(default_factory=deque)
    used: Use = field(default_factory=Use)
    slice_at: float = inf
    share: float = 1.0
    rests_since: float = 0.0
    next_at: float = inf
    what: str = ""

    @property
    def busy(self) -> int:
        """Requests that it works on or that wait for a store."""
        return len(self.working) + len(self.waiting)

    @property
    def load(self) -> int:
        """All that was sent to it and is not answered."""
        return self.busy + len(self.line)

    def wanted(self) -> float:
        """Cores that it would use on a machine of its own."""
        if not self.working or self.factor <= 0:
            return 0.0
        wanted = min(float(len(self.working)), self.station.peak)
        if self.saved > 0:
            return wanted
        return 0.0 if self.station.slice_s > 0 else min(wanted, self.station.cores)

    def advance(self, now: float) -> None:
        """Let time pass at a speed that does not change until then."""
        passed, self.seen_at = now - self.seen_at, now
        if passed <= 0:
            return
        spent = self.wanted() * self.share
        if spent > 0:
            self.clock += passed * spent * self.factor / len(self.working)
            self.used.cpu_s += passed * spent
        if self.station.slice_s <= 0:
            spent = self.wanted() - self.station.cores
        elif not self.working and now >= self.slice_at:  # nothing was planned for the slices that began
            self.take(1.0 + floor((now - self.slice_at) / self.station.slice_s))
        self.saved = min(max(self.saved - passed * spent, 0.0), self.station.saved_s)

    def take(self, slices: float) -> None:
        """So many slices have begun."""
        self.saved = min(self.saved + slices * self.station.slice_s * self.station.cores, self.station.saved_s)
        self.slice_at += slices * self.station.slice_s

    def plan(self) -> None:
        """What happens here next, and when, if nothing comes in between."""
        self.next_at, self.what = inf, ""
        speed = self.wanted() * self.share
        if speed > 0:
            ends = (self.working[0][0] - self.clock) * len(self.working) / (speed * self.factor)
            self.next_at, self.what = self.seen_at + max(ends, 0.0), "done"
            excess = speed if self.station.slice_s > 0 else self.wanted() - self.station.cores
            if excess > 0 and self.saved > 0:
                empty = self.seen_at + self.saved / excess
                if empty < self.next_at:
                    self.next_at, self.what = empty, "spent"
        if self.working and self.slice_at < self.next_at and self.station.slice_s > 0:
            self.next_at, self.what = self.slice_at, "slice"
        if self.waiting and self.waiting[0][0] < self.next_at:
            self.next_at, self.what = self.waiting[0][0], "woken"
