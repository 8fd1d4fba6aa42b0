"""Which settings of a service could be tried? Values for keys of the file; None takes a key away.

First the policies, each over the range of its target value. Then, around those that did well, everything else that a
scaling policy has: its target value in small steps, cooldowns or windows, the period, bounds, the size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flyball.core.model import ScalingShape, Service

Value = str | float | None
Setting = tuple[tuple[str, Value], ...]
"""(key, value) pairs in the order of the keys: equal settings are equal."""
METRICS = ("cpu", "memory", "requests", "concurrency", "rps")
WINDOWS = (
    ("hpa", "cpu", "in_window", ("30s", "1m", "5m")),
    ("kpa", "rps", "stable", ("15s", "30s", "1m", "2m")),
    ("kpa", "rps", "in_delay", ("0s", "30s", "2m")),
)
"""Of a policy that has this metric: the choices of one of its windows."""
POLICIES = ("target", "out", "in", "hpa", "kpa", "adaptive")
TARGETS = (30, 40, 50, 60, 70, 80, 90)
SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
AIMED = (("target", "cpu"), ("target", "requests"), ("hpa", "cpu"), ("kpa", "utilization"))
"""Policies with the metric whose target value says how busy instances are."""
STEP = 5
LEAST, STRICTEST, MOST = 10, 30, 95
COOLDOWNS = (1, 15, 60)
"""In periods; by default they are five, as AWS's 300 s are five of 60 s."""
PERIODS = {False: ("1s", "2s", "5s"), True: ("20s", "60s")}


def setting(values: Mapping[str, Value]) -> Setting:
    """The setting of these values."""
    return tuple(sorted(values.items()))


def removed_or(value: Value) -> str:
    """A value for people."""
    return "(taken out)" if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Around the service as the file has it.

    `scale`: its table in the file, with what it inherits; `inherited`: keys of it that cannot be taken away there.
    `per_s`: requests that one instance can serve in a second; `peak_per_s`: the most that come. `on_aws`: only what AWS
    has too. `sizes`: cores to try.
    """

    service: Service
    scale: Mapping[str, Any]
    inherited: frozenset[str]
    per_s: float
    peak_per_s: float
    slo: str
    on_aws: bool = False
    machines: bool = False
    sizes: tuple[float, ...] = ()

    def policies(self) -> Iterator[Setting]:
        """Every policy over the range of its target value; the file's own first."""
        yield ()
        yield from self._steps()
        for value in TARGETS:
            yield from self._policy("target", {"cpu": value})
        for share in SHARES:
            yield from self._policy("target", {"requests": max(1, round(60 * self.per_s * share))})
        if self.on_aws:
            return
        yield from self._policy("adaptive", {"slo": self.slo})
        for value in TARGETS:
            yield from self._policy("hpa", {"cpu": value})
        for share in SHARES:
            yield from self._policy("kpa", {"rps": max(1, round(self.per_s)), "utilization": f"{share:.0%}"})

    def line(self, one: Setting, step: int) -> list[Setting]:
        """A setting with each target value that its policy may have, strictest first; only itself if it has none."""
        known = dict(one)
        for policy, metric in AIMED:
            key, value = self._in_force(known, policy, metric)
            if value is not None:
                aims = [self._aimed(metric, percent) for percent in range(STRICTEST, MOST + 1, step)]
                others = {_number(aim): self._with(known, key, aim) for aim in aims}
                return [other for _, other in sorted({**others, _number(value): one}.items())]
        return [one]

    def stricter(self, one: Setting, share: float) -> Setting:
        """The setting with a target value that is lower by this share; unchanged if there is none."""
        known = dict(one)
        for policy, metric in AIMED:
            key, value = self._in_force(known, policy, metric)
            if value is not None:
                less = math.ceil(_number(value) * (1 - share))
                return self._with(known, key, f"{less}%" if metric == "utilization" else less)
        return one

    def _aimed(self, metric: str, percent: int) -> Value:
        """The target value at which instances are this many percent busy."""
        if metric == "requests":
            return max(1, round(60 * self.per_s * percent / 100))
        return f"{percent}%" if metric == "utilization" else percent

    def _with(self, known: Mapping[str, Value], key: str, value: Value) -> Setting:
        """A setting with one more value, or with the file's own again."""
        others = {name: one for name, one in known.items() if name != key}
        return setting(others if self._today(key) == value else {**others, key: value})

    def around(self, one: Setting) -> Iterator[Setting]:
        """What differs from a setting in one thing."""
        known = dict(one)
        for key, value in self._nearby(known):
            if known.get(key, self._today(key)) != value:
                yield self._with(known, key, value)

    def _today(self, key: str) -> Any:
        """What the file says under a key of the service's scaling, or of its instances."""
        node: Any = {"scale": self.scale, "instances": self._bounds()}
        for part in key.removeprefix(f"services.{self.service.name}.").split("."):
            node = node.get(part) if isinstance(node, Mapping) else None
        return node

    def _bounds(self) -> dict[str, int]:
        return {"min": self.service.capacity.min, "max": self.service.capacity.max}

    def _key(self, *parts: str) -> str:
        return ".".join(("services", self.service.name, *parts))

    def _policy(self, name: str, table: Mapping[str, Value]) -> Iterator[Setting]:
        """The service with this policy and no other; nothing where the others cannot be taken away."""
        others = [policy for policy in POLICIES if policy in self.scale and policy != name]
        own = self.scale.get(name)
        kept = own if isinstance(own, Mapping) else {}
        more = [metric for metric in METRICS if metric in kept and metric not in table]
        if self.inherited.intersection(others) or (more and name in self.inherited):
            return
        values: dict[str, Value] = {self._key("scale", other): None for other in others}
        values |= {self._key("scale", name, metric): None for metric in more}
        for key, value in table.items():
            whole = isinstance(kept.get(key), Mapping)
            values[self._key("scale", name, key, *(["value"] if whole else []))] = value
        yield setting({key: value for key, value in values.items() if value is None or self._today(key) != value})

    def _steps(self) -> Iterator[Setting]:
        """Step scaling as the file has it, with other amounts and times, where it is one rule each way."""
        out, into = self.scale.get("out"), self.scale.get("in")
        if not (isinstance(out, Mapping) and isinstance(into, Mapping)) or {"out", "in"} & self.inherited:
            return
        for amount in (1, 2, 4):
            for lasting in ("15s", "30s", "1m"):
                if "add" in out:
                    yield setting({self._key("scale", "out", "add"): amount, self._key("scale", "out", "for"): lasting})
        for lasting in ("30s", "1m", "2m"):
            yield setting({self._key("scale", "in", "for"): lasting})

    def _nearby(self, known: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
        yield from self._targets(known)
        yield from self._waits(known)
        for count in self._minimums():
            yield self._key("instances", "min"), count
        needed = math.ceil(self.peak_per_s / self.per_s / 0.5)
        for count in (self.service.capacity.max, needed):
            if count >= self.service.capacity.max:
                yield self._key("instances", "max"), count
        if not self.machines:
            for cores in self.sizes:
                yield self._key("size", "cpu"), cores
        for period in PERIODS[self.on_aws] if not (self.on_aws and self.machines) else ():
            yield self._key("scale", "period"), period

    def _minimums(self) -> Iterator[int]:
        own = self.service.capacity.min
        yield from range(max(1, own - 1), min(own + 3, self.service.capacity.max) + 1)

    def _targets(self, known: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
        """The policy's target value, a little more and a little less."""
        for policy, metric in AIMED:
            key, value = self._in_force(known, policy, metric)
            if isinstance(value, str) and value.endswith("%"):
                for near in _nearest(float(value.rstrip("%"))):
                    yield key, f"{near:g}%"
            elif isinstance(value, int | float) and metric == "requests":
                yield from ((key, max(1, round(value * factor))) for factor in (0.9, 1.1))
            elif isinstance(value, int | float):
                yield from ((key, near) for near in _nearest(value))

    def _in_force(self, known: Mapping[str, Value], policy: str, name: str) -> tuple[str, Value]:
        """The key of a policy's value in the file, and its value in this setting; None where the policy is not."""
        whole = self.scale.get(policy)
        deep = isinstance(whole, Mapping) and isinstance(whole.get(name), Mapping)
        key = self._key("scale", policy, name, *(["value"] if deep else []))
        if known.get(self._key("scale", policy), "there") is None:
            return key, None
        return key, known[key] if key in known else self._today(key)

    def _waits(self, known: Mapping[str, Value]) -> Iterator[tuple[str, Value]]:
        """Cooldowns where the shape has them, else warm-up; the windows of policies that have those."""
        period_s, ecs = self.service.scaling.period_s, self.service.scaling.shape is ScalingShape.ECS
        for periods in COOLDOWNS:
            yield self._key("scale", "in_cooldown" if ecs else "warm_up"), f"{periods * period_s:g}s"
        if ecs:
            yield self._key("scale", "out_cooldown"), f"{period_s:g}s"
        for policy, metric, name, choices in WINDOWS:
            if self._in_force(known, policy, metric)[1] is not None:
                yield from ((self._key("scale", policy, name), choice) for choice in choices)


def _number(value: Any) -> float:
    return float(value.rstrip("%")) if isinstance(value, str) else float(value)


def _nearest(value: float) -> list[float]:
    """A step less and a step more, of percentages that make sense."""
    return [near for near in (value - STEP, value + STEP) if LEAST <= near <= MOST]
