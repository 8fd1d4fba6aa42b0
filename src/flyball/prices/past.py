"""What was used in a time that is over: sums and peaks of what charts are drawn from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flyball.core.model import Application, Metric, Service
from flyball.core.view.rows import Moment

from .bill import Use


@dataclass(slots=True, kw_only=True)
class Used:
    """One service. `surplus`: hours of instances beyond what its busiest use of that moment needed."""

    hours: float = 0.0
    instance_hours: float = 0.0
    requests: float = 0.0
    surplus: float = 0.0
    fewest: float = math.inf
    peak_cpu: float | None = None
    peak_memory: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Everything between the first and the last moment that is known; a pause is not paid for."""

    services: Mapping[str, Used] = field(default_factory=dict)
    stored: Mapping[str, float] = field(default_factory=dict)

    @property
    def hours(self) -> float:
        """How long the application was there."""
        return max((one.hours for one in self.services.values()), default=0.0)

    @property
    def use(self) -> Use:
        """What is paid for."""
        return Use(
            hours=self.hours,
            instance_hours={name: one.instance_hours for name, one in self.services.items()},
            requests=sum(one.requests for one in self.services.values()),
            stored=self.stored,
        )


def summed(
    app: Application, moments: Iterable[Moment], *, each_s: float, stored: Mapping[str, float] | None = None
) -> Past:
    """The past of the application's services, from moments that each stand for `each_s` seconds."""
    services = {one.name: one for one in app.services}
    found: dict[str, Used] = {}
    for moment in moments:
        if moment.service in services and (serving := moment.row.get("in_service")) is not None:
            _add(found.setdefault(moment.service, Used()), moment, services[moment.service], serving, each_s / 3_600)
    return Past(services=found, stored=stored or {})


def _add(one: Used, moment: Moment, service: Service, serving: float, hours: float) -> None:
    cpu, memory = moment.row.get("cpu"), moment.row.get("memory")
    one.hours += hours
    one.instance_hours += serving * hours
    one.requests += (moment.row.get("rps") or 0.0) * hours * 3_600
    one.fewest = min(one.fewest, serving)
    one.peak_cpu = _most(one.peak_cpu, cpu)
    one.peak_memory = _most(one.peak_memory, memory)
    if cpu is not None:
        needed = max(math.ceil(serving * cpu / _target(service) - 1e-9), service.capacity.min)
        one.surplus += max(0.0, serving - needed) * hours


def _most(before: float | None, now: float | None) -> float | None:
    return before if now is None else now if before is None else max(before, now)


def _target(service: Service) -> float:
    """The use of CPU that the file aims at, in percent."""
    tracked = [one.target_value for one in service.scaling.target_tracking if one.metric is Metric.CPU]
    stepped = [one.threshold for one in service.scaling.steps if one.metric is Metric.CPU and one.comparison.upward]
    return min([*tracked, *stepped, 100.0])
