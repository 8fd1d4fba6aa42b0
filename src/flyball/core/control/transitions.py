"""Which ways lead through an instance's life?

Rule: the table below, which also makes the diagram in `docs/explanation/instances.md`. An instance begins in
`launching`; from every state it is gone when its process has exited. Each state stamps the time at which it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .state import Instance, Lifecycle

TRANSITIONS: Mapping[tuple[Lifecycle, Lifecycle], str] = {
    (Lifecycle.LAUNCHING, Lifecycle.IN_SERVICE): "it answers its health path, and the balancer finds it healthy",
    (Lifecycle.LAUNCHING, Lifecycle.DRAINING): "it must leave, and the balancer knows it",
    (Lifecycle.LAUNCHING, Lifecycle.TERMINATING): "it must leave, and the balancer does not know it",
    (Lifecycle.IN_SERVICE, Lifecycle.DRAINING): "it must leave",
    (Lifecycle.DRAINING, Lifecycle.TERMINATING): "no request is in flight, or the deregistration delay has passed",
}
_STAMPS = {
    Lifecycle.IN_SERVICE: "in_service_at",
    Lifecycle.DRAINING: "drain_started_at",
    Lifecycle.TERMINATING: "terminate_started_at",
}


def moved(instance: Instance, to: Lifecycle, *, now: float, **changes: Any) -> Instance:
    """The instance in its next state. What the table does not have is an error of the program."""
    assert (instance.lifecycle, to) in TRANSITIONS, (instance.id, instance.lifecycle, to)
    began: dict[str, Any] = {_STAMPS[to]: now}
    return replace(instance, lifecycle=to, **began, **changes)


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Lifecycle.LAUNCHING}"]
    lines += [f"    {before} --> {after}: {why}" for (before, after), why in TRANSITIONS.items()]
    return "\n".join([*lines, *(f"    {one} --> [*]: its process has exited" for one in Lifecycle)])
