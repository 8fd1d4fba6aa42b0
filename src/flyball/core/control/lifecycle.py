"""Where is each instance in its life, and when does it move on?

Rule: launching -> (answers its health path) registered with the balancer -> (balancer: healthy) in service -> draining
-> terminating -> gone. One passed check brings a new target into service. An instance that exits, or that the world no
longer shows, has failed unless it was told to go. One that is not in service within the grace period after its launch
is stopped. Draining ends when the balancer has confirmed it and no request is in flight, or after the deregistration
delay; then SIGTERM, and SIGKILL after the stop timeout. Without a balancer nobody is judged, and the grace period
starts again when it is back. A starting instance has three times the grace period while the machine is starved.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/update-service-console-v2.html
Ours: a drain ends as soon as it is idle; ALB shows `draining` until the delay has passed.
"""

from __future__ import annotations

from dataclasses import replace

from . import breaker
from .observation import InstanceSeen, TargetHealth
from .reasons import ReasonKind
from .state import Instance, Lifecycle
from .transitions import moved
from .turn import Turn

STARVED_PATIENCE = 3
"""Grace periods that a starting instance has on a machine without a core to spare."""

_SIGNALS = {1: "SIGHUP", 2: "SIGINT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV"}
_SIGNALS |= {13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM"}


def observe(turn: Turn) -> None:
    """Fold what was seen into every instance of the service."""
    for instance in tuple(turn.instances.values()):
        seen = turn.by_id.get(instance.id)
        if seen is None:
            _absent(turn, instance)
        elif seen.exited:
            _gone(turn, instance, exit_text(seen), seen.detail)
        else:
            _alive(turn, instance, seen)


def _absent(turn: Turn, instance: Instance) -> None:
    if instance.seen:
        _gone(turn, instance, "is gone", "")
    elif instance.lifecycle is Lifecycle.TERMINATING:
        _gone(turn, instance, "was never started", "")
    elif instance.lifecycle is Lifecycle.LAUNCHING:
        _judge_launching(turn, instance, None)


def _gone(turn: Turn, instance: Instance, how: str, detail: str) -> None:
    del turn.instances[instance.id]
    if not instance.staying or turn.leaving:
        turn.say(ReasonKind.TERMINATED, f"{instance.id} {how}{_after(turn, instance)}", instance=instance)
        return
    fail(turn, instance, f"{instance.id} {how}" + (f": {detail}" if detail else ""))


def _after(turn: Turn, instance: Instance) -> str:
    """When and why an instance that was to leave did so."""
    cause = f": {instance.cause}" if instance.cause else ""
    if instance.terminate_started_at is not None and must_be_killed(turn, instance):
        timeout_s = turn.deployment.stop_timeout_s
        return f"; SIGKILL was sent because it had not ended {timeout_s:g} s after SIGTERM{cause}"
    if instance.drain_started_at is not None:
        return f", {turn.now - instance.drain_started_at:.1f} s after its drain began{cause}"
    if instance.terminate_started_at is not None:
        return f", {turn.now - instance.terminate_started_at:.1f} s after it was told to stop{cause}"
    return cause


def fail(turn: Turn, instance: Instance, text: str) -> None:
    """Say that an instance failed and count it; the wait before its place is filled again is part of the sentence."""
    before = turn.state.backoff
    breaker.count(turn, instance, text)
    after = turn.state.backoff
    wait_s = max(after.retry_at, default=turn.now) - turn.now if after != before else 0.0
    again = f" (its place is filled again in {wait_s:.0f} s)" if wait_s > 0 else ""
    turn.say(ReasonKind.FAILED, text + again, instance=instance)


def exit_text(seen: InstanceSeen) -> str:
    """How a process ended: "exited with code 1", "was killed by signal 9 (SIGKILL)"."""
    if seen.exit_code is None:
        return "exited"
    if seen.exit_code < 0:
        name = _SIGNALS.get(-seen.exit_code)
        # Many servers finish what they have on SIGTERM and then die of it, as convention asks: nobody killed them.
        how = "ended on" if name == "SIGTERM" else "was killed by"
        return f"{how} signal {-seen.exit_code}" + (f" ({name})" if name else "")
    return f"exited with code {seen.exit_code}"


def _alive(turn: Turn, instance: Instance, seen: InstanceSeen) -> None:
    health = seen.target_health if turn.seen.balancer else instance.health  # without a balancer the last verdict stands
    if (instance.health, instance.in_flight, instance.seen) != (health, seen.in_flight, True):
        instance = replace(instance, health=health, in_flight=seen.in_flight, seen=True)
        turn.put(instance)
    match instance.lifecycle:
        case Lifecycle.LAUNCHING:
            _launching(turn, instance, seen)
        case Lifecycle.IN_SERVICE:
            _in_service(turn, instance)
        case Lifecycle.DRAINING:
            _draining(turn, instance)


def _launching(turn: Turn, instance: Instance, seen: InstanceSeen) -> None:
    if seen.ready and instance.ready_at is None:
        instance = replace(instance, ready_at=turn.now)
        turn.put(instance)
    if instance.ready_at is not None and instance.health is TargetHealth.HEALTHY and turn.seen.balancer:
        turn.put(moved(instance, Lifecycle.IN_SERVICE, now=turn.now, unhealthy_since=None))
        text = f"{instance.id} is in service {turn.now - instance.launched_at:.1f} s after its launch"
        turn.say(ReasonKind.IN_SERVICE, text, instance=instance)
        breaker.came_into_service(turn, instance)
        return
    if seen.astray and not instance.astray:
        instance = replace(instance, astray=True)
        turn.put(instance)
        turn.say(ReasonKind.UNHEALTHY, f"{instance.id} does not come up: {seen.detail}", instance=instance)
    _judge_launching(turn, instance, seen)


def past_grace(turn: Turn, instance: Instance, *, patience: int = 1) -> bool:
    """Whether failing checks count for this instance by now."""
    if turn.balancer_since is None:
        return False
    since = max(instance.launched_at, turn.balancer_since)
    return turn.elapsed_s(since) >= patience * turn.health.grace_s


def _judge_launching(turn: Turn, instance: Instance, seen: InstanceSeen | None) -> None:
    patience = STARVED_PATIENCE if turn.starved else 1
    if (
        not past_grace(turn, instance, patience=patience)
        or turn.leaving
        or (instance.shadow and instance.ready_at is not None)
    ):
        return
    what = f"did not answer {turn.health.path}" if instance.ready_at is None else "was not healthy"
    text = f"{instance.id} {what} within {turn.health.grace_s:g} s"
    if seen is not None and seen.detail:
        text += f": {seen.detail}"
    fail(turn, instance, text)
    leave(turn, instance, "it did not come into service")


def _in_service(turn: Turn, instance: Instance) -> None:
    if not turn.seen.balancer:
        return
    if instance.health is TargetHealth.UNHEALTHY and instance.unhealthy_since is None:
        turn.put(replace(instance, unhealthy_since=turn.now))
        detail = turn.by_id[instance.id].detail
        text = f"{instance.id} fails its health check" + (f": {detail}" if detail else "")
        turn.say(ReasonKind.UNHEALTHY, text, instance=instance)
    elif instance.health is TargetHealth.HEALTHY and instance.unhealthy_since is not None:
        turn.put(replace(instance, unhealthy_since=None, answered_at=None))
        text = f"{instance.id} passes its health check again, after {turn.now - instance.unhealthy_since:.1f} s"
        turn.say(ReasonKind.HEALTHY, text, instance=instance)


def _draining(turn: Turn, instance: Instance) -> None:
    assert instance.drain_started_at is not None
    confirmed = instance.health in (TargetHealth.DRAINING, TargetHealth.UNUSED)
    idle = confirmed and instance.in_flight == 0 if turn.seen.balancer else turn.leaving
    delay_s = turn.deployment.deregistration_delay_s
    late = turn.elapsed_s(instance.drain_started_at) >= delay_s
    if idle or late:
        turn.put(moved(instance, Lifecycle.TERMINATING, now=turn.now))
    if late and not idle:
        what = f"{instance.in_flight} requests in flight" if turn.seen.balancer else "no balancer to ask"
        text = f"the drain of {instance.id} is cut off at its {delay_s:g} s, with {what}"
        turn.say(ReasonKind.DRAINING, text, instance=instance)


def leave(turn: Turn, instance: Instance, cause: str) -> None:
    """Let an instance go: through draining when it is registered with the balancer, else at once."""
    registered = instance.ready_at is not None and not instance.shadow
    to = Lifecycle.DRAINING if registered else Lifecycle.TERMINATING
    turn.put(moved(instance, to, now=turn.now, cause=cause))
    turn.say(
        ReasonKind.DRAINING, f"{'draining' if registered else 'stopping'} {instance.id}: {cause}", instance=instance
    )


def must_be_killed(turn: Turn, instance: Instance) -> bool:
    """Whether a terminating instance has used up its stop timeout."""
    assert instance.terminate_started_at is not None
    return turn.elapsed_s(instance.terminate_started_at) >= turn.deployment.stop_timeout_s
