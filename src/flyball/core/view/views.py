"""What is there to be seen of an application? The values that every reader shows.

Rule: nothing is computed twice. `ps`, `watch`, the dashboard, `/metrics`, the history and the reports of a simulation
show these values; None is what is not known (yet).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flyball.core.control.alarms import AlarmState, Threshold
from flyball.core.control.state import Instance, Release, Rollout
from flyball.core.model import Metric, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """A service's last closed datapoint: what its policies saw, also of metrics that none of them watches.

    `points` are its values, requests per measured instance and minute, errors in percent of all requests; the two rates
    are of all instances together. All are None before the first datapoint, after a capacity was set by hand, and when
    it is missing.
    The others are of the last sample: `waiting` requests wait in the balancer; since the sample before, some went on
    after `waited_p50_ms` and `waited_p99_ms`, and `turned_away` got a 503.
    """

    requests_per_s: float | None
    errors_per_s: float | None
    points: Mapping[Metric, float | None]
    waiting: int = 0
    waited_p50_ms: float | None = None
    waited_p99_ms: float | None = None
    turned_away: int = 0

    def of(self, metric: Metric) -> float | None:
        """The value that a policy of this metric saw."""
        return self.points[metric]


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityView:
    """Bounds of the file, the wish, and what there is."""

    min: int
    desired: int
    max: int
    in_service: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmView:
    """An alarm's rule and its state."""

    rule: Threshold
    state: AlarmState


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutView:
    """A rollout under way, and its gates: failures that end it (None: none do), fewest healthy ones, most of all."""

    of: Rollout
    failures_allowed: int | None
    fewest: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """An instance, and its own use in the last sample; `detail` is the world's explanation of a failure."""

    of: Instance
    cpu_percent: float | None = None
    memory_percent: float | None = None
    memory_bytes: int | None = None
    requests_per_s: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """One service. `release` is the one that serves, `building` the one that is built; `held_until`: by hand.

    `concurrency`: how many requests an instance works on at a time now, None without a limit.
    """

    of: Service
    release: int | None
    building: int | None
    releases: tuple[Release, ...]
    rollout: RolloutView | None
    capacity: CapacityView
    metrics: Metrics
    alarms: tuple[AlarmView, ...]
    held_until: float | None
    instances: tuple[InstanceView, ...]
    concurrency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationView:
    """All services, in the order of the state, which is the file's."""

    name: str
    services: tuple[ServiceView, ...]

    def service(self, name: str) -> ServiceView:
        """The service of that name. Raises KeyError when there is none."""
        for service in self.services:
            if service.of.name == name:
                return service
        raise KeyError(name)


def short(value: float | None) -> float | None:
    """A figure as it is told: two digits after the point."""
    return None if value is None else round(value, 2)
