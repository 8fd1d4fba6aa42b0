"""What a step asks a world to do: a closed union.

Carrying one out twice must be harmless: a step asks until it sees it done.

Registering and draining are not actions: routing is a pure function of the state (`routing.targets`).
"""

from __future__ import annotations

from dataclasses import dataclass

from .observation import ReleaseSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Build a release; the answer is a `BuildSeen`."""

    service: str
    release: int
    spec: ReleaseSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Start an instance; the answer is an `InstanceSeen` of that id, ready or exited."""

    instance: str
    service: str
    release: int
    zone: str
    spec: ReleaseSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """End an instance: SIGTERM, or SIGKILL with `force`. The answer is an exited `InstanceSeen`, or its absence."""

    instance: str
    force: bool = False


Action = Build | Launch | Terminate
