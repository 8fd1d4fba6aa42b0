"""The search: wide with a fluid, then the best with real requests and several seeds, then on other traffic.

Wide: every policy over the range of its target value, then what differs in one thing from the settings that lead. The
fluid's order is trusted, its numbers are not: between settings that are ever cheaper and ever worse, real requests find
by halving where the SLO is lost, and that is the mark for the fluid from then on. The settings around the mark, the
best of each policy and the file's own are rehearsed with every seed, and so is what lies around the best of them. What
holds is then checked on traffic that nobody learned from; what holds on both at the least cost is chosen.
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
ROOM = 0.9
"""Of the bad requests that the SLO allows, so many are used: another day is never quite the same."""
POLICIES_UNTIL, WIDE_UNTIL, IMPROVED_UNTIL = 0.3, 0.55, 0.85
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

    def holds(self, slo: Slo, *, room: float = 1.0) -> bool:
        """Whether it is inside the SLO on all that it was measured on."""
        return self.train.holds(slo, room=room) and (self.check is None or self.check.holds(slo, room=room))

    @property
    def shown(self) -> Score:
        """The traffic that says most: that which nobody learned from."""
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
    _exact: dict[Setting, Score] = field(default_factory=dict)
    _allowed: float = 0.0

    def run(self) -> Found:
        """The whole search."""
        for setting in self.space.policies():
            if not self._wide or self.spent() < POLICIES_UNTIL:
                self._try(setting)
        self._mark()
        self._go_around()
        for number, setting in enumerate(self._finalists(self._mark()), 1):
            self.tell(f"rehearsing finalist {number}")
            self._rehearse(setting)
        self._improve()
        return self._chosen()

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
            self.tell(f"wide search: {len(self._wide)} settings tried")

    def _mark(self) -> list[Setting]:
        """Find the cheapest of the fluid's front that holds the SLO; answer the front from there on, two before it."""
        along = front(self._wide.items(), self.cost)
        lost, held = -1, len(along) - 1
        while held - lost > 1:
            middle = (lost + held) // 2
            self.tell(f"looking for the cheapest of {len(along)} that holds the SLO")
            score = self._score(along[middle], "train", self.days[1], self.seeds[:1])
            if score is not None and score.holds(self.slo, room=ROOM):
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

    def _rehearse(self, setting: Setting) -> Score | None:
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
                self.tell(f"improving: {len(self._exact)} settings rehearsed")
                self._rehearse(near)
            if self._best() == best:
                return

    def _best(self) -> Setting:
        return self._ranked(self._exact, self.slo.allowed * ROOM)[0]

    def _worth(self, best: Setting) -> list[Setting]:
        """Those around a setting that the fluid expects to be cheaper or, while nothing holds, better."""
        near = [one for one in self.space.around(best) if one not in self._exact]
        for one in near:
            if one not in self._wide and self.spent() <= IMPROVED_UNTIL:
                self._try(one)
        mine = self._wide.get(best)
        known = [one for one in near if one in self._wide]
        if mine is None:
            return known[:LEADERS]
        if self._exact[best].holds(self.slo, room=ROOM):
            cheaper = [one for one in known if self.cost(self._wide[one]) < self.cost(mine)]
            return sorted(cheaper, key=lambda one: (self._wide[one].worst, repr(one)))[:LEADERS]
        better = [
            one for one in known if self._wide[one].worst < mine.worst or self.cost(self._wide[one]) > self.cost(mine)
        ]
        return sorted(better, key=lambda one: (self._wide[one].worst, repr(one)))[:LEADERS]

    # The choice

    def _chosen(self) -> Found:
        ranked = self._ranked(self._exact, self.slo.allowed * ROOM)
        checked: dict[Setting, Candidate] = {}
        for setting in dict.fromkeys([(), *ranked[:FINALISTS]]):
            self._check(setting, checked)
        while self.spent() < 1.0 and (between := self._between(checked)) is not None:
            self._check(between, checked)
            if between not in checked:
                break
        candidates = tuple(checked.values())
        along = front(((one.setting, one.shown) for one in candidates), self.cost)
        return Found(
            slo=self.slo,
            today=checked[()],
            chosen=self._choice(candidates),
            nearest=min(candidates, key=lambda one: max(one.train.worst, one.shown.worst)),
            front=tuple(checked[setting] for setting in along),
            candidates=candidates,
            tried=len(self._wide | self._exact),
        )

    def _check(self, setting: Setting, checked: dict[Setting, Candidate]) -> None:
        """Measure it on the traffic that nobody learned from, and before that on the other where that is not done."""
        self.tell(f"checking on the other traffic: {len(checked)} done")
        train = self._exact.get(setting) or self._rehearse(setting)
        if train is not None:
            score = self._score(setting, "check", self.days[2], self.seeds)
            checked[setting] = Candidate(setting=setting, train=train, check=score)

    def _choice(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """The cheapest that holds on both with room; without any, one that just holds."""
        for room in (ROOM, 1.0):
            holding = [one for one in candidates if one.holds(self.slo, room=room)]
            if holding:
                return min(holding, key=lambda one: self.cost(one.shown))
        return None

    def _between(self, checked: dict[Setting, Candidate]) -> Setting | None:
        """The middle of the fluid's settings between the choice and the dearest cheaper one that did not hold."""
        choice = self._choice(checked.values())
        if choice is None or choice.setting not in self._wide:
            return None
        most = self.cost(self._wide[choice.setting])
        costs = [self.cost(self._wide[one]) for one in checked if one in self._wide]
        least = max((cost for cost in costs if cost < most), default=0.0)
        inside = [one for one in self._wide if one not in checked and least < self.cost(self._wide[one]) < most]
        along = front(((one, self._wide[one]) for one in inside), self.cost)
        return along[len(along) // 2] if along else None

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
