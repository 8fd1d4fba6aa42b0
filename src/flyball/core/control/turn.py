"""What happens to one service in one step? The draft that the stages of a step write on.

A step runs its stages in a fixed order (`step.py`); each reads the file and the observation, and writes the next state,
instances and reasons here. A turn lives inside one step and never leaves it: `step` takes and gives values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flyball.core.model import Deployment, HealthCheck, Service

from .observation import InstanceSample, InstanceSeen, Observation
from .pacing import Held
from .reasons import Reason, ReasonKind
from .scaling.proposal import Hold
from .state import Instance, Release, Rollout, ServiceState

QUIET_S = 60.0
"""A hold that comes back within this time (or three datapoints) is the same hold."""

_DEPLOYMENT, _HEALTH = Deployment(), HealthCheck()


@dataclass(slots=True, kw_only=True)
class Turn:
    """One service while it is stepped. `of`: as the file has it, None when the file no longer does. `leaving`: all its
    instances go, for that or because the application shuts down.
    `instances` keeps the order of their numbers. `balancer_since`, `awake_since` and `starved` are as in `State`.
    """

    of: Service | None
    zones: tuple[str, ...]
    state: ServiceState
    instances: dict[str, Instance]
    by_id: Mapping[str, InstanceSeen]
    samples: tuple[InstanceSample, ...]
    seen: Observation
    origin: float
    balancer_since: float | None
    awake_since: float | None
    starved: bool
    leaving: bool
    now: float
    reasons: list[Reason] = field(default_factory=list)

    @property
    def service(self) -> Service:
        """The service as the file has it. Not for one that it no longer has: nothing of that is decided any more."""
        assert self.of is not None
        return self.of

    @property
    def deployment(self) -> Deployment:
        """How instances come and go; as by default when the file no longer says."""
        return _DEPLOYMENT if self.of is None else self.of.deployment

    @property
    def health(self) -> HealthCheck:
        """How instances are checked; as by default when the file no longer says."""
        return _HEALTH if self.of is None else self.of.health

    def say(
        self,
        kind: ReasonKind,
        text: str,
        *,
        before: int | None = None,
        after: int | None = None,
        instance: Instance | None = None,
        release: int | None = None,
    ) -> None:
        """Give a reason; an instance's release is taken from it."""
        self.reasons.append(
            Reason(
                kind=kind,
                service=self.state.name,
                text=text,
                before=before,
                after=after,
                instance=instance.id if instance else None,
                release=instance.release if instance else release,
            )
        )

    def put(self, instance: Instance) -> None:
        """Keep an instance in its new state."""
        self.instances[instance.id] = instance

    def elapsed_s(self, started_at: float) -> float:
        """How long something has been watched to run: a gap between steps does not count."""
        return self.now - max(started_at, started_at if self.awake_since is None else self.awake_since)

    def staying(self) -> list[Instance]:
        """Instances that serve or are about to."""
        return [instance for instance in self.instances.values() if instance.staying]

    @property
    def at_rest(self) -> bool:
        """Nothing is to be exchanged, started or let go: most steps find it so, and look no further."""
        state, staying = self.state, self.staying()
        if state.rollout is not None or state.finished is not None or state.backoff.failed_at is not None:
            return False
        fit = [
            one for one in staying if one.release == state.release and not one.replace and one.unhealthy_since is None
        ]
        return len(fit) == len(staying) == state.desired

    def of_release(self, number: int) -> list[Instance]:
        """Those of them that run this release."""
        return [instance for instance in self.instances.values() if instance.staying and instance.release == number]

    def set_desired(self, desired: int, kind: ReasonKind, text: str) -> None:
        """Change the desired capacity, with its reason; nothing when it is the same."""
        before = self.state.desired
        if desired != before:
            self.state = replace(self.state, desired=desired)
            self.say(kind, text, before=before, after=desired)

    def set_rollout(self, rollout: Rollout | None) -> None:
        """Go on with this rollout, or with none."""
        self.state = replace(self.state, rollout=rollout)

    def put_release(self, release: Release) -> None:
        """Add a release, or replace the one of its number."""
        others = [one for one in self.state.releases if one.number != release.number]
        releases = sorted([*others, release], key=lambda one: one.number)
        self.state = replace(self.state, releases=tuple(releases))

    def hold(self, holds: tuple[Hold, ...]) -> None:
        """Say the holds that begin; one that only flickers has not ended, so it is not said again."""
        quiet_s = max(QUIET_S, 3 * self.service.scaling.period_s)
        said = {held.key: held for held in self.state.holds if self.now - held.last_at < quiet_s}
        for hold in holds:
            if hold.key not in said:
                self.say(ReasonKind.HELD, hold.text)
            if hold.key not in said or self.now - said[hold.key].last_at >= 1.0:
                said[hold.key] = Held(key=hold.key, last_at=self.now)
        if (now := tuple(said.values())) != self.state.holds:
            self.state = replace(self.state, holds=now)

    def refuse_once(self, text: str) -> None:
        """Refuse something that stays in the file, once."""
        if text not in self.state.told:
            self.state = replace(self.state, told=(*self.state.told, text))
            self.say(ReasonKind.REFUSED, text)
