"""The search: wide with a fluid, then the best with real requests and several seeds, then on other traffic.

The wide search tries every policy over the range of its target value, then settings that differ in one thing from the
leading ones. The fluid says what is worth a run, never what is best. Along its settings, from costly and good to cheap
and bad, real requests find by halving where the SLO is lost; from then on that is the mark for the fluid. The settings
around the mark, the best of each policy and the file's own race with real requests: a setting that is cheaper than the
best with one seed runs with every seed. The race goes on around the best, in the end with finer steps. Settings that
hold are then checked on traffic that the search did not use; if the best does not hold there, the search goes back on
its line. Among those that hold on both and cost hardly more than the least, the safest is chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from .measure import Score, together
from .slo import Slo
from .space import POLICIES, Setting, Space
from .store import Store

LEADERS = 4
FINALISTS = 8
ROUNDS = 12
SPARE = 0.025
"""No day is quite like another: the safest setting may cost this much more than the cheapest."""
STEPS = (5, 1)
"""Steps of a target value in percent: along every line of settings, and in the end along the best one."""
DOUBT = 1.1
"""A setting that costs the fluid this many times as much may still be cheaper with real requests."""
POLICIES_UNTIL, WIDE_UNTIL, IMPROVED_UNTIL, FINE_UNTIL = 0.3, 0.4, 0.7, 0.8
"""Of the time: when each part of the search ends. The last is for the check."""

Key = TypeVar("Key")
Measure = Callable[[Setting, str, int], Score | None]
"""A setting on "wide" or one of "train 0", "check 0", … with a seed; None when the file refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A setting with what it did on the traffic to learn from, and on the other; None while that is not known."""

    setting: Setting
    train: Score
    check: Score | None = None

    def holds(self, slo: Slo) -> bool:
        """Whether it is inside the SLO on all that it was measured on."""
        return self.train.holds(slo) and (self.check is None or self.check.holds(slo))

    @property
    def shown(self) -> Score:
        """The score on the most telling traffic: that which the search did not use."""
        return self.check or self.train


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`front`: what nothing beats in both cost and bad requests; `chosen` is None when nothing holds the SLO."""

    slo: Slo
    today: Candidate
    chosen: Candidate | None
    nearest: Candidate
    front: tuple[Candidate, ...]
    candidates: tuple[Candidate, ...]
    tried: int


@dataclass(slots=True)
class Search:
    """One search. `spent`: the share of the time that is over; `tell`: how far it is."""

    space: Space
    slo: Slo
    measure: Measure
    store: Store
    days: tuple[int, int, int]
    seeds: tuple[int, ...] = (1, 2, 3)
    spent: Callable[[], float] = lambda: 0.0
    tell: Callable[[str], None] = lambda _text: None
    cost: Callable[[Score], float] = lambda score: score.instance_hours
    _wide: dict[Setting, Score] = field(default_factory=dict)
    _first: dict[Setting, Score] = field(default_factory=dict)
    _exact: dict[Setting, Score] = field(default_factory=dict)
    _allowed: float = 0.0

    def run(self) -> Found:
        """The whole search."""
        for setting in self.space.policies():
            if not self._wide or self.spent() < POLICIES_UNTIL:
                self._try(setting)
        self._mark()
        self._go_around()
        self._rehearse(())
        for number, setting in enumerate(self._finalists(self._mark()), 1):
            self._say(f"rehearsing finalist {number}")
            self._settle(setting, STEPS[0], IMPROVED_UNTIL)
        self._improve()
        self._settle(self._best(), STEPS[1], FINE_UNTIL)
        return self._chosen()

    def _say(self, text: str) -> None:
        self.tell(f"{min(self.spent(), 1.0):4.0%}  {text}")

    # Wide

    def _go_around(self) -> None:
        for _ in range(ROUNDS):
            leaders = self._ranked(self._wide, self._allowed)[:LEADERS]
            new = [near for one in leaders for near in self.space.around(one) if near not in self._wide]
            for setting in dict.fromkeys(new):
                if self.spent() > WIDE_UNTIL:
                    return
                self._try(setting)
            if self._ranked(self._wide, self._allowed)[:LEADERS] == leaders:
                return

    def _try(self, setting: Setting) -> None:
        score = self._score(setting, "wide", self.days[0], (0,))
        if score is not None:
            self._wide[setting] = score
            self._say(f"wide search: {len(self._wide)} settings tried")

    def _mark(self) -> list[Setting]:
        """Find the cheapest of the fluid's front that holds the SLO; answer the front from there on, two before it."""
        along = front(self._wide.items(), self.cost)
        lost, held = -1, len(along) - 1
        while held - lost > 1:
            middle = (lost + held) // 2
            self._say(f"looking for the cheapest of {len(along)} that holds the SLO")
            score = self._score(along[middle], "train", self.days[1], self.seeds[:1])
            if score is not None and score.holds(self.slo):
                held = middle
            else:
                lost = middle
        self._allowed = max(self.slo.allowed, self._wide[along[held]].worst)
        return along[max(0, held - 2) :]

    def _ranked(self, scores: Mapping[Setting, Score], allowed: float) -> list[Setting]:
        """The cheapest that hold the SLO, then those that nearly do."""

        def rank(setting: Setting) -> tuple[bool, float, str]:
            score = scores[setting]
            holds = score.worst <= allowed
            return (not holds, self.cost(score) if holds else score.worst, repr(setting))

        return sorted(scores, key=rank)

    def _finalists(self, along: list[Setting]) -> list[Setting]:
        """The file's own setting, those around the mark, and the best of each policy."""
        best: dict[str, Setting] = {}
        for setting in self._ranked(self._wide, self._allowed):
            best.setdefault(_kind(setting), setting)
        return list(dict.fromkeys([(), *along[:LEADERS], *best.values()]))[:FINALISTS]

    # With real requests

    def _settle(self, setting: Setting, step: int, until: float) -> None:
        """Find the loosest target value with which a setting holds the SLO: by halving, and back while a seed fails."""
        if self.spent() > until:
            return
        line = self.space.line(setting, step)
        held = line.index(setting) if setting in self._exact and self._good(setting) else -1
        lost = next((at for at in range(held + 1, len(line)) if self._fails(line[at])), len(line))
        while lost - held > 1 and self.spent() <= until:
            middle = (held + lost) // 2
            score = self._run_first(line[middle])
            if score is not None and score.holds(self.slo):
                held = middle
            else:
                lost = middle
        for one in reversed(line[: max(held, 0) + 1]):
            self._race(one)
            if one not in self._exact or self._good(one) or self.spent() > until:
                return

    def _good(self, setting: Setting) -> bool:
        return self._exact[setting].holds(self.slo)

    def _fails(self, setting: Setting) -> bool:
        """Whether one of its runs was outside the SLO."""
        known = self._exact.get(setting) or self._first.get(setting)
        return known is not None and not known.holds(self.slo)

    def _run_first(self, setting: Setting) -> Score | None:
        score = self._score(setting, "train", self.days[1], self.seeds[:1])
        if score is not None:
            self._first[setting] = score
        return score

    def _race(self, setting: Setting) -> None:
        """Run it with one seed, and with the others only if it is then better than the best."""
        first = self._run_first(setting)
        if first is not None and (not self._exact or self._beats(first, self._first[self._best()])):
            self._rehearse(setting)

    def _beats(self, one: Score, best: Score) -> bool:
        if not best.holds(self.slo):
            return one.worst < best.worst
        return one.holds(self.slo) and self.cost(one) < self.cost(best)

    def _rehearse(self, setting: Setting) -> Score | None:
        if self._run_first(setting) is None:
            return None
        score = self._score(setting, "train", self.days[1], self.seeds)
        if score is not None:
            self._exact[setting] = score
        return score

    def _improve(self) -> None:
        """Around the best: cheaper while the SLO holds, and better while nothing holds it."""
        for _ in range(ROUNDS):
            best = self._best()
            for near in self._worth(best):
                if self.spent() > IMPROVED_UNTIL:
                    return
                self._say(f"improving: {len(self._first)} settings rehearsed")
                self._race(near)
            if self._best() == best:
                return

    def _best(self) -> Setting:
        return self._ranked(self._exact, self.slo.allowed)[0]

    def _worth(self, best: Setting) -> list[Setting]:
        """Those around a setting that may be cheaper or, while nothing holds, better. The fluid only ranks them."""
        near = [one for one in self.space.around(best) if one not in self._first]
        for one in near:
            if one not in self._wide and self.spent() <= IMPROVED_UNTIL:
                self._try(one)
        known = [one for one in near if one in self._wide]
        mine = self._wide.get(best)
        if mine is None:
            return known[:LEADERS]
        if not self._exact[best].holds(self.slo):
            better = [one for one in known if self._wide[one].worst < mine.worst or self._dearer(one, mine)]
            return sorted(better, key=lambda one: (self._wide[one].worst, repr(one)))[:LEADERS]
        cheaper = [one for one in known if self.cost(self._wide[one]) < DOUBT * self.cost(mine)]
        return sorted(cheaper, key=lambda one: (self.cost(self._wide[one]), repr(one)))[:FINALISTS]

    def _dearer(self, one: Setting, score: Score) -> bool:
        return self.cost(self._wide[one]) > self.cost(score)

    # The choice

    def _chosen(self) -> Found:
        ranked = self._ranked(self._exact, self.slo.allowed)
        checked: dict[Setting, Candidate] = {}
        for setting in ((), ranked[0]):
            self._check(setting, checked)
        self._step_back(ranked[0], checked)
        self._spare(checked)
        for setting in ranked[1:FINALISTS]:
            if setting not in checked and self.spent() < 1.0:
                self._check(setting, checked)
        candidates = tuple(checked.values())
        along = front(((one.setting, one.shown) for one in candidates), self.cost)
        return Found(
            slo=self.slo,
            today=checked[()],
            chosen=self._choice(candidates),
            nearest=min(candidates, key=lambda one: max(one.train.worst, one.shown.worst)),
            front=tuple(checked[setting] for setting in along),
            candidates=candidates,
            tried=len(self._wide | self._first),
        )

    def _step_back(self, best: Setting, checked: dict[Setting, Candidate]) -> None:
        """If the best fails on the other traffic: try stricter settings in ever larger steps, then by halving."""
        line = self.space.line(best, STEPS[1])
        held, lost, step = -1, line.index(best), STEPS[0] // 2
        while not self._holds(checked.get(line[lost])) and lost - held > 1 and self.spent() < 1.0:
            middle = max(lost - step, (held + lost) // 2)
            self._check(line[middle], checked)
            if self._holds(checked.get(line[middle])):
                held = middle
            else:
                lost, step = middle, 2 * step

    def _spare(self, checked: dict[Setting, Candidate]) -> None:
        """Also check a setting that is a little stricter than the cheapest that holds."""
        best = self._choice(checked.values())
        if best is not None and self.spent() < 1.0:
            self._check(self.space.stricter(best.setting, SPARE), checked)

    def _holds(self, candidate: Candidate | None) -> bool:
        return candidate is not None and candidate.holds(self.slo)

    def _check(self, setting: Setting, checked: dict[Setting, Candidate]) -> None:
        """Measure it on the traffic that the search did not use, and first on the other if that is not done yet."""
        self._say(f"checking on the other traffic: {len(checked)} done")
        train = self._exact.get(setting) or self._rehearse(setting)
        if train is not None:
            score = self._score(setting, "check", self.days[2], self.seeds)
            checked[setting] = Candidate(setting=setting, train=train, check=score)

    def _choice(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """The safest of those that hold on both and cost hardly more than the least."""
        holding = [one for one in candidates if one.holds(self.slo)]
        if not holding:
            return None
        least = min(self.cost(one.shown) for one in holding)
        near = [one for one in holding if self.cost(one.shown) <= (1 + SPARE) * least]
        return min(near, key=lambda one: (max(one.train.worst, one.shown.worst), self.cost(one.shown)))

    def _score(self, setting: Setting, what: str, days: int, seeds: Sequence[int]) -> Score | None:
        scores: list[Score] = []
        for day in range(days):
            for seed in seeds:
                score = self._one(setting, f"{what} {day}", seed)
                if score is None:
                    return None
                scores.append(score)
        return together(scores)

    def _one(self, setting: Setting, day: str, seed: int) -> Score | None:
        key = json.dumps([setting, day, seed])
        if key not in self.store:
            self.store.keep(key, self.measure(setting, day, seed))
        return self.store[key]


def _kind(setting: Setting) -> str:
    """Which policy a setting has brought in, "" for the file's own."""
    for key, value in setting:
        parts = key.split(".")
        if value is not None and parts[2:3] == ["scale"] and parts[3] in POLICIES:
            return f"{parts[3]} {parts[-1]}"
    return ""


def front(scores: Iterable[tuple[Key, Score]], cost: Callable[[Score], float]) -> list[Key]:
    """Those that no other one beats in both cost and bad requests; the cheapest first."""
    kept: list[tuple[Key, Score]] = []
    for key, score in sorted(scores, key=lambda pair: (cost(pair[1]), pair[1].bad)):
        if not kept or score.bad < kept[-1][1].bad:
            kept.append((key, score))
    return [key for key, _ in kept]
