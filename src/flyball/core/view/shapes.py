"""Which shapes does the JSON of a view have? Programs outside read these keys; readers in Python know them as types."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from flyball.core.control.reasons import ReasonKind
from flyball.core.control.state import ReleaseStatus, RolloutPhase


class LatencyJson(TypedDict):
    """In ms."""

    p50: float | None
    p95: float | None
    p99: float | None


class WaitedJson(TypedDict):
    """In ms, of the requests that had to wait."""

    p50: float | None
    p99: float | None


class MetricsJson(TypedDict):
    """A service's last datapoint; `requests` are per measured instance and minute.

    `waiting` requests wait in the balancer; since the sample before, those of `waited_ms` went on and `turned_away` got
    a 503.
    """

    requests_per_second: float | None
    errors_per_second: float | None
    cpu_percent: float | None
    memory_percent: float | None
    requests: float | None
    errors_percent: float | None
    latency_ms: LatencyJson
    waiting: int
    waited_ms: WaitedJson
    turned_away: int


class CapacityJson(TypedDict):
    """In instances."""

    min: int
    desired: int
    max: int
    in_service: int


RolloutJson = TypedDict("RolloutJson", {
    "from": int | None, "to": int, "phase": RolloutPhase, "started_at": float, "percent": float, "failures": int,
    "why": str,
})  # fmt: skip


class InstanceJson(TypedDict):
    """One instance."""

    id: str
    release: int
    lifecycle: str
    health: str
    zone: str
    pid: int | None
    port: int | None
    cpu_percent: float | None
    memory_bytes: int | None
    requests_per_second: float | None
    in_flight: int
    started_at: float
    detail: str
    region: NotRequired[str]


class ServiceJson(TypedDict):
    """One service. `concurrency`: how many requests an instance works on at a time, None without a limit."""

    name: str
    release: int | None
    building: int | None
    rollout: RolloutJson | None
    capacity: CapacityJson
    concurrency: int | None
    metrics: MetricsJson
    instances: list[InstanceJson]
    region: NotRequired[str]


class ControlJson(TypedDict):
    """The control plane; `journal_error`: why nothing is written down, None when it is."""

    pid: int
    journal_error: str | None


class BalancerJson(TypedDict):
    """The balancer, and the one that stands by if there is one."""

    pid: int | None
    standby: int | None


class RefusalJson(TypedDict):
    """What a rule of the firewall has matched since the control plane started."""

    rule: str
    action: str
    requests: int


class PushJson(TypedDict):
    """Where to push. `name` is the remote of the work tree, None without one; `note` says why."""

    url: str
    name: str | None
    branch: str
    note: str


class RegionJson(TypedDict):
    """One region; None of what its control plane does not tell. `share`: how many percent of its visitors it gets."""

    name: str
    health: str
    share: int
    url: str | None
    dashboard: str | None
    control: ControlJson | None
    balancer: BalancerJson | None


class ServedJson(TypedDict):
    """Requests of the visitors that are nearest to a region, or belong to it, and the region that served them."""

    nearest: str
    region: str
    requests: int
    errors: int


class ReplicationJson(TypedDict):
    """How far a region's store is behind: objects that wait, seconds of the oldest, and why if it cannot be written.

    `took_s`: how long the latest object was on its way.
    """

    store: str
    region: str
    waiting: int
    lag_s: float
    took_s: float | None
    problem: str | None


# The certificate that visitors see, and where it is `from`: "file", "acme" or "self-made". One that an authority renews
# ends soon only when it is late for that: some last for six days.
CertificateJson = TypedDict("CertificateJson", {
    "names": list[str], "days_left": int, "ends_at": float, "ends_soon": bool, "from": str,
})  # fmt: skip


class ApplicationJson(TypedDict):
    """What `flyball ps --json` prints; `last_event` is the number of the newest event that led to it.

    With regions, `regions`, `served` and `replication` are there, and every service and instance names its region.
    """

    application: str
    url: str
    dashboard: str | None
    control: ControlJson
    balancer: BalancerJson
    firewall: list[RefusalJson]
    stopping: bool
    push: PushJson | None
    last_event: int
    boundary: str
    certificate: NotRequired[CertificateJson | None]
    services: list[ServiceJson]
    regions: NotRequired[list[RegionJson]]
    served: NotRequired[list[ServedJson]]
    replication: NotRequired[list[ReplicationJson]]


EventJson = TypedDict("EventJson", {
    "id": int, "at": float, "service": str, "kind": ReasonKind, "from": int | None, "to": int | None, "reason": str,
    "instance": str | None, "release": int | None, "region": NotRequired[str],
})  # fmt: skip


class ReleaseJson(TypedDict):
    """One release of a service; `current`: it is the one that serves."""

    service: str
    release: int
    status: ReleaseStatus
    current: bool
    created_at: float
    note: str
    message: str
    region: NotRequired[str]
