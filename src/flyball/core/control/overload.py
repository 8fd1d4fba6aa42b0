"""Is an instance ill, or does it only have more to do than it can?

Rule: an instance that fails its health check is overloaded, not ill, while the check gets no answer and the instance
has answered a request in the last 15 s (at first, while requests are in flight to it). When most instances of a service
fail so at once, one that answers speaks for all. A check without an answer proves nothing while the machine has no core
to spare. Nobody is replaced for overload: the balancer fails open and the policies add instances. Nothing is scaled in
while an instance fails its health check, while requests wait, or while a busy machine makes figures worthless.

AWS: a target that times out is unhealthy, and an Auto Scaling group replaces it.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
Ours: replacing an overloaded instance makes the overload worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .observation import InstanceSample
from .reasons import ReasonKind
from .state import Instance, Lifecycle
from .turn import Turn

ANSWERS_S = 15.0
"""An instance that has answered no request for so long is stuck, not busy."""
BUSY_PERCENT = 95.0
"""From here on the machine has no core to spare."""
SATURATED_PERCENT = 80.0
"""Share of its reservation from which on an instance with more requests in flight than it answers makes them wait."""


def starved(busy_percent: float | None) -> bool:
    """Whether a machine this busy has no core to spare."""
    return busy_percent is not None and busy_percent >= BUSY_PERCENT


def observe(turn: Turn) -> None:
    """Remember which failing instances still answer; say when an overload of the service begins and ends."""
    if not turn.seen.balancer:
        return
    since = turn.state.overloaded_since
    failing = any(one.unhealthy_since is not None for one in turn.instances.values())
    if since is None and not failing:
        return
    for sample in turn.samples:
        instance = turn.instances.get(sample.id)
        if instance is not None and instance.unhealthy_since is not None and sample.answered > 0:
            turn.put(replace(instance, answered_at=turn.now))
    late = [one for one in turn.staying() if one.unhealthy_since is not None and turn.by_id[one.id].unanswered]
    serving = sum(1 for one in turn.staying() if one.lifecycle is Lifecycle.IN_SERVICE)
    most = 2 * len(late) > serving and any(_answers(one, turn.now) for one in late)
    if most and since is None:
        turn.state = replace(turn.state, overloaded_since=turn.now)
        in_flight = sum(one.in_flight for one in late)
        who = f"{len(late)} of {serving} instances answer their health check too late"
        text = f"overload: {who}, with {in_flight} requests in flight; nobody is replaced for it"
        turn.say(ReasonKind.OVERLOADED, text)
    elif since is not None and not most:
        turn.state = replace(turn.state, overloaded_since=None)
        turn.say(ReasonKind.OVERLOADED, f"the overload is over after {turn.now - since:.1f} s")


def is_overloaded(turn: Turn, instance: Instance) -> bool:
    """Whether an instance that fails its health check is to be left alone."""
    if turn.state.overloaded_since is not None:
        return True
    if not turn.by_id[instance.id].unanswered:
        return False
    return turn.starved or _answers(instance, turn.now)


def _answers(instance: Instance, now: float) -> bool:
    assert instance.unhealthy_since is not None
    if instance.answered_at is not None:
        return now - instance.answered_at <= ANSWERS_S
    return instance.in_flight > 0 and now - instance.unhealthy_since <= ANSWERS_S


def why_not_scale_in(turn: Turn, serving: Sequence[Instance]) -> str:
    """Why this is no time to scale in, "" when it is; `serving` are the instances that take requests."""
    ill = sum(1 for one in serving if one.unhealthy_since is not None)
    if ill:
        return f"{ill} of {len(serving)} instances fail their health check"
    waiting = sum(queue.waiting for queue in turn.seen.queues if queue.service == turn.state.name)
    if waiting:
        return f"{waiting} requests wait in the balancer"
    full = next((sample for sample in turn.samples if _makes_wait(turn, sample)), None)
    if full is not None:
        in_flight = turn.instances[full.id].in_flight
        return (
            f"{in_flight} requests are in flight to {full.id} at cpu {full.cpu_percent:.0f} %, {full.answered} answered"
        )
    if turn.starved and turn.seen.busy_percent is not None:
        return f"the machine is {turn.seen.busy_percent:.0f} % busy, so low figures prove nothing"
    return ""


def _makes_wait(turn: Turn, sample: InstanceSample) -> bool:
    instance = turn.instances.get(sample.id)
    if instance is None or sample.cpu_percent is None or sample.cpu_percent < SATURATED_PERCENT:
        return False
    return instance.in_flight > 1 and instance.in_flight > sample.answered
