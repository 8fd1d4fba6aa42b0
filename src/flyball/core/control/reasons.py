"""Why: one sentence for each decision and for each refusal to decide, shown verbatim in log, dashboard and report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReasonKind(StrEnum):
    """What a reason is about; `flyball events` shows it as `kind`."""

    SCALE_OUT = "scale_out"
    SCALE_IN = "scale_in"
    HELD = "held"
    SCALED_BY_HAND = "scaled_by_hand"
    LAUNCHED = "launched"
    IN_SERVICE = "in_service"
    UNHEALTHY = "unhealthy"
    HEALTHY = "healthy"
    OVERLOADED = "overloaded"
    CONCURRENCY = "concurrency"
    DRAINING = "draining"
    TERMINATED = "terminated"
    FAILED = "failed"
    RELEASE_CREATED = "release_created"
    BUILD_COMPLETED = "build_completed"
    BUILD_FAILED = "build_failed"
    ROLLOUT_STARTED = "rollout_started"
    ROLLOUT_PROGRESS = "rollout_progress"
    ROLLOUT_COMPLETED = "rollout_completed"
    ROLLOUT_FAILED = "rollout_failed"
    ROLLED_BACK = "rolled_back"
    ROLLBACK_FAILED = "rollback_failed"
    STORE_RESTARTED = "store_restarted"
    STORE_FAILED = "store_failed"
    REGION_ADDED = "region_added"
    REGION_HEALTHY = "region_healthy"
    REGION_UNHEALTHY = "region_unhealthy"
    REGION_FAILED = "region_failed"
    REGION_REMOVED = "region_removed"
    REPLICATION_STALLED = "replication_stalled"
    REPLICATION_RESUMED = "replication_resumed"
    BALANCER_RESTARTED = "balancer_restarted"
    BALANCER_FAILED = "balancer_failed"
    BALANCER_TOOK_OVER = "balancer_took_over"
    JOURNAL_SET_ASIDE = "journal_set_aside"
    DISK = "disk"
    FIREWALL = "firewall"
    REFUSED = "refused"
    NOT_LET_THROUGH = "not_let_through"
    CERTIFICATE = "certificate"
    CERTIFICATE_REFUSED = "certificate_refused"
    CLOCK = "clock"


OF_REGIONS = frozenset(kind for kind in ReasonKind if kind.startswith(("region_", "replication_")))
"""What only the edge tells: of a region, never of an instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """`before` and `after` are desired capacities where the reason changes one; `service` is "" for all of them.

    `region` is what the edge tells of; a reason of an instance has none.
    """

    kind: ReasonKind
    service: str
    text: str
    before: int | None = None
    after: int | None = None
    instance: str | None = None
    release: int | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A reason with its number in the journal (0: it was not written down) and its time."""

    id: int
    at: float
    reason: Reason
