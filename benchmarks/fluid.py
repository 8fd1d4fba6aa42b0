"""A fluid model of one service under the real policies: fast enough for a table of all of them on every trace.

Four times a second as many requests come as a Poisson draw says, and as many are answered as the instances in service
can. Queues are exact up to the quarter of a second; below that, waiting is what Erlang's C says of a steady load. The
policies are the product's own: every second a sample is recorded into their windows and `decide` weighs their votes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from flyball.core.control.glance import Glance
from flyball.core.control.memory import Memory
from flyball.core.control.observation import InstanceSample, LatencySample
from flyball.core.control.pacing import Cooldown
from flyball.core.control.samples import Sample
from flyball.core.control.scaling import cooldown, policies, policy_alarms
from flyball.core.control.scaling.decide import Decision, at_once, decide
from flyball.core.control.scaling.proposal import Counts
from flyball.core.control.scaling.situation import Situation
from flyball.core.control.windows import Windows, record, shaped
from flyball.core.model import Scaling, Service

PARTS = 4
STEP_S = 1.0 / PARTS
PLACES = 4
SERVICE_S = 0.04
TAKES_S = SERVICE_S / PLACES
"""A request needs one of the four places of an instance for 40 ms, so that an instance answers 100 a second."""
LIMIT_S = 0.2
"""Later than this an answer is bad."""
LONGEST_WAIT_S = 5.0
"""What would wait longer is turned away."""
WINDOW_S = 10
BAD_SHARE = 0.01


@dataclass(slots=True)
class Fleet:
    """The instances: in service, and the times at which the others come into service."""

    delay_s: float
    serving: int = 1
    starting: list[float] = field(default_factory=list)
    launches: int = 0

    def want(self, desired: int, now: float) -> None:
        """Launch what is missing; let go what is too much, starting ones first."""
        missing = desired - self.serving - len(self.starting)
        self.launches += max(missing, 0)
        self.starting += [now + self.delay_s] * missing
        for _ in range(-missing):
            if self.starting:
                self.starting.pop()
            else:
                self.serving -= 1

    def run(self, now: float) -> None:
        """Those whose time has come are in service."""
        if self.starting and self.starting[0] <= now:
            ready = sum(1 for at in self.starting if at <= now)
            self.serving += ready
            del self.starting[:ready]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happened: for each quarter of a second the arrivals, the instances and the requests that wait."""

    arrivals: np.ndarray
    serving: np.ndarray
    billed: np.ndarray
    queued: np.ndarray
    turned_away: float
    launches: int
    desired: list[int]
    memory: Memory


def waiting(rate: np.ndarray, serving: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a steady load: the share that waits, and how fast the tail of the waits falls (per second)."""
    servers = serving * PLACES
    load = np.minimum(rate * SERVICE_S, 0.98 * servers)
    root = np.sqrt(np.maximum(load, 1e-9))
    beta = (servers - load) / root
    below = 0.5 * (1 + np.vectorize(math.erf)(beta / math.sqrt(2)))
    density = np.exp(-beta * beta / 2) / math.sqrt(2 * math.pi)
    share = np.where(density > 1e-300, 1 / (1 + beta * below / np.maximum(density, 1e-300)), 0.0)
    return share, (servers - load) / SERVICE_S


def bad(arrivals: np.ndarray, serving: np.ndarray, queued: np.ndarray) -> np.ndarray:
    """How many of the arrivals of each quarter of a second are answered too late."""
    steady = np.convolve(arrivals, np.ones(PARTS) / PARTS, mode="same") / STEP_S
    share, falls = waiting(steady, serving)
    left_s = LIMIT_S - SERVICE_S - queued * TAKES_S / np.maximum(serving, 1)
    late = np.where(left_s <= 0, 1.0, share * np.exp(-falls * np.maximum(left_s, 0)))
    return arrivals * np.where(serving > 0, late, 1.0)


def p99_s(run: Run) -> float:
    """The latency that 99 of 100 requests keep."""
    steady = np.convolve(run.arrivals, np.ones(PARTS) / PARTS, mode="same") / STEP_S
    share, falls = waiting(steady, run.serving)
    waits = run.queued * TAKES_S / np.maximum(run.serving, 1)
    low, high = 0.0, LONGEST_WAIT_S * 2
    for _ in range(30):
        middle = (low + high) / 2
        left = middle - SERVICE_S - waits
        late = np.where(left <= 0, 1.0, share * np.exp(-falls * np.maximum(left, 0)))
        low, high = (middle, high) if (run.arrivals * late).sum() > BAD_SHARE * run.arrivals.sum() else (low, middle)
    return high


@dataclass
class Governed:
    """One service's policies with what they remember, outside of a whole application."""

    scaling: Scaling
    most: int
    delay_s: float
    began: float
    windows: Windows = Windows()
    alarms: tuple = ()
    cooldown: Cooldown = Cooldown()
    memory: Memory = Memory()

    def __post_init__(self) -> None:
        self._service = Service(name="web", run="", scaling=self.scaling)
        self._thresholds = policy_alarms.thresholds(self._service)
        self._asked = policies.of(self.scaling)
        self._watched = policy_alarms.metrics(self._thresholds) | self._asked.scaled_by
        self._keep = max(policy_alarms.points_kept(self._thresholds), self._asked.points)
        self.windows = Windows(sampled_at=self.began)

    def sampled(self, sample: Sample, counts: Counts, now: float) -> int:
        """The capacity wanted after this second."""
        shape = shaped(self.windows, self._asked.recorded, period_s=self.scaling.period_s, origin=self.began)
        self.windows, closed = record(shape, sample, keep=self._keep, watched=self._watched, origin=self.began, now=now)
        if not closed:
            return counts.desired
        self.alarms = policy_alarms.evaluated(self._thresholds, self.windows, self.alarms)
        return self._carried_out(decide(self._situation(counts, now, sample.waiting)))

    def glanced(self, glance: Glance, counts: Counts, now: float) -> int:
        """The capacity wanted between two samples."""
        return self._carried_out(at_once(self._situation(counts, now, glance.waiting), glance))

    def _carried_out(self, made: Decision) -> int:
        self.cooldown = made.cooldown
        if made.memory is not None:
            self.memory = made.memory
        return made.desired

    def _situation(self, counts: Counts, now: float, queue: int) -> Situation:
        return Situation(
            scaling=self.scaling,
            min=1,
            max=self.most,
            counts=counts,
            windows=self.windows,
            alarms={alarm.name: alarm.state for alarm in self.alarms},
            cooldown=cooldown.expired(self.cooldown, now=now),
            held_s=0.0,
            rollout="",
            trouble=lambda: f"{queue} requests wait in the balancer" if queue else "",
            places=PLACES,
            start_s=self.delay_s,
            memory=self.memory,
            now=now,
        )


def governed(policy: Governed, arrivals: np.ndarray, *, first: int) -> Run:
    """The service under its policies, from `first` instances on."""
    delay_s, began, scaling = policy.delay_s, policy.began, policy.scaling
    fleet = Fleet(delay_s=delay_s, serving=first)
    serving, billed, queued = (np.zeros(len(arrivals)) for _ in range(3))
    queue = done = away = turned = 0.0
    desired, wishes = first, [first]
    for part, count in enumerate(arrivals.tolist()):
        now = began + (part + 1) * STEP_S
        fleet.run(now)
        serving[part], billed[part], queued[part] = fleet.serving, fleet.serving + len(fleet.starting), queue
        room = fleet.serving * STEP_S / TAKES_S
        lost = max(queue + count - room - LONGEST_WAIT_S * fleet.serving / TAKES_S, 0.0)
        answered = min(queue + count - lost, room)
        queue += count - lost - answered
        done, away, turned = done + answered, away + lost, turned + lost
        counts = Counts(desired=desired, running=fleet.serving)
        busy = min(answered / room, 1.0) if room else 0.0
        if (part + 1) % PARTS == 0:
            desired = policy.sampled(_sample(fleet.serving, done=done, away=away, queue=queue, busy=busy), counts, now)
            done = away = 0.0
            wishes.append(desired)
        elif scaling.adaptive is not None and queue >= 1:
            glance = Glance(
                service="web",
                requests=round(count),
                over_s=STEP_S,
                in_flight=round(busy * PLACES * fleet.serving),
                waiting=round(queue),
            )
            desired = policy.glanced(glance, counts, now)
        fleet.want(desired, now)
    return Run(
        arrivals=arrivals,
        serving=serving,
        billed=billed,
        queued=queued,
        turned_away=turned,
        launches=fleet.launches,
        desired=wishes,
        memory=policy.memory,
    )


def _sample(serving: int, *, done: float, away: float, queue: float, busy: float) -> Sample:
    used = 100.0 * min(done * TAKES_S / max(serving, 1), 1.0)
    wait_s = queue * TAKES_S / max(serving, 1)
    return Sample(
        samples=(InstanceSample(id="", cpu_percent=used, requests=round(done / max(serving, 1))),),
        measured=serving,
        in_service=serving,
        in_flight=round(busy * PLACES * serving),
        waiting=round(queue),
        turned_away=round(away),
        wanted=True,
        known=True,
        requests=round(done),
        errors=0,
        latency=LatencySample(
            service="web",
            p50_ms=1000 * (SERVICE_S + wait_s),
            p95_ms=1000 * (SERVICE_S + wait_s),
            p99_ms=1000 * (SERVICE_S + wait_s),
        ),
    )


def oracle(arrivals: np.ndarray) -> np.ndarray:
    """The fewest instances in each window of ten seconds with which at most 1 % of its requests are bad."""
    size = WINDOW_S * PARTS
    needs = [_fewest(arrivals[begin : begin + size]) for begin in range(0, len(arrivals), size)]
    return np.repeat(np.array(needs), size)[: len(arrivals)]


def _fewest(arrivals: np.ndarray) -> int:
    count = max(1, math.ceil(arrivals.mean() / STEP_S * TAKES_S))
    while bad(arrivals, np.full(len(arrivals), float(count)), _queue(arrivals, count)).sum() > BAD_SHARE * max(
        arrivals.sum(), 1.0
    ):
        count += 1
    return count


def _queue(arrivals: np.ndarray, count: int) -> np.ndarray:
    queued, queue, room = np.zeros(len(arrivals)), 0.0, count * STEP_S / TAKES_S
    for part, came in enumerate(arrivals.tolist()):
        queued[part] = queue
        queue = max(queue + came - room, 0.0)
    return queued


def billed(need: np.ndarray, delay_s: float) -> float:
    """Instance-seconds of a fleet that has just enough; an instance is kept where a new start would cost more."""
    total = 0.0
    for level in range(1, int(need.max()) + 1):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], (need >= level).astype(int), [0]))))
        begins, ends = edges[::2] * STEP_S, edges[1::2] * STEP_S
        gaps = begins[1:] - ends[:-1]
        starts = 1 + int((gaps > delay_s).sum())
        total += (ends - begins).sum() + gaps[gaps <= delay_s].sum() + starts * delay_s
    return total


def elastic(need: np.ndarray, serving: np.ndarray) -> dict[str, float]:
    """SPEC's metrics: how much too few and too many, in percent of the need; and for which share of the time."""
    under, over = np.maximum(need - serving, 0), np.maximum(serving - need, 0)
    moved = np.sign(np.diff(serving)) != np.sign(np.diff(need))
    return {
        "theta_under": float(100 * (under / need).mean()),
        "theta_over": float(100 * (over / need).mean()),
        "tau_under": float(100 * (under > 0).mean()),
        "tau_over": float(100 * (over > 0).mean()),
        "instability": float(100 * moved.mean()),
    }


def reversals(desired: Sequence[int], within: int = 60) -> int:
    """How often a change of the wanted capacity was followed by the opposite one within a minute."""
    changes = [(at, after - before) for at, (before, after) in enumerate(pairwise(desired)) if after != before]
    return sum(1 for (at, first), (later, second) in pairwise(changes) if first * second < 0 and later - at <= within)


def figures(run: Run, need: np.ndarray, delay_s: float) -> dict[str, float]:
    """A row of the table."""
    late = bad(run.arrivals, run.serving, run.queued)
    size = WINDOW_S * PARTS
    whole = len(late) // size * size
    per_window = late[:whole].reshape(-1, size).sum(axis=1)
    came = run.arrivals[:whole].reshape(-1, size).sum(axis=1)
    judged = came >= 100
    row = {
        "hours": float(run.billed.sum() * STEP_S / 3600),
        "x oracle": float(run.billed.sum() * STEP_S / billed(need, delay_s)),
        "bad windows %": float(100 * (per_window > BAD_SHARE * came)[judged].mean()) if judged.any() else 0.0,
        "bad requests %": float(100 * (late.sum() + run.turned_away) / max(run.arrivals.sum(), 1)),
        "p99 ms": 1000 * p99_s(run),
        "launches": float(run.launches),
        "reversals": float(reversals(run.desired)),
    }
    return row | elastic(need, run.serving)


def redrawn(rates: Sequence[float], resolution_s: float, *, scale: float, seed: int) -> np.ndarray:
    """Arrivals of each quarter of a second: every bin's rate times `scale`, drawn anew as Poisson."""
    parts = np.repeat(np.asarray(rates, dtype=float) * scale * STEP_S, round(resolution_s * PARTS))
    return np.random.default_rng(seed).poisson(parts).astype(float)
