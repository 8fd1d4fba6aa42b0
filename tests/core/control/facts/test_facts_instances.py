"""Numbered facts of targets and Auto Scaling group instances. First line of a docstring: the fact; then its source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import application, instance, launching, rollout, seen, seen_of, service, state
from flyball.core.control.actions import Launch, Terminate
from flyball.core.control.observation import TargetHealth
from flyball.core.control.placement import victims
from flyball.core.control.routing import targets
from flyball.core.control.state import Lifecycle
from flyball.core.control.step import step
from flyball.core.model import Deployment, Strategy

APP = application()


def lifecycles(made) -> dict[str, str]:
    return {one.id: str(one.lifecycle) for one in made.state.instances}


def test_fact_25_one_passed_check_brings_a_new_target_into_service():
    """A newly registered target needs one passed check to be healthy.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    """
    new = launching(1, ready_at=0.5, seen=True)
    shown = seen(seen_of(new, target_health=TargetHealth.HEALTHY))
    assert lifecycles(step(APP, state(new), shown, now=1.0)) == {"web-1": "in_service"}


def test_fact_26_the_states_of_a_target():
    """unused before it answers, initial until checked, healthy or unhealthy, draining.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    """
    new = launching(1)
    made = step(APP, state(new), seen(seen_of(new)), now=0.5)
    assert targets(made.state, "web") == ()
    made = step(APP, made.state, seen(seen_of(new, ready=True)), now=1.0)
    assert [one.instance for one in targets(made.state, "web")] == ["web-1"]
    for health in TargetHealth:
        after = step(APP, made.state, seen(seen_of(new, ready=True, target_health=health)), now=2.0)
        assert after.state.instances[0].health is health


def test_fact_27_unhealthy_targets_stay_targets():
    """With no healthy target the balancer routes to all: an unhealthy instance is not taken out.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health.html
    """
    sick = instance(1, health=TargetHealth.UNHEALTHY)
    made = step(APP, state(sick), seen(sick), now=100.0)
    assert [(one.instance, one.draining) for one in targets(made.state, "web")] == [("web-1", False)]
    made = step(APP, made.state, seen(sick, seen_of(made.state.instances[1])), now=101.0)
    assert made.state.instances[0].lifecycle is Lifecycle.IN_SERVICE


@pytest.mark.parametrize(("now", "ends"), [(129.0, False), (130.0, True)])
def test_fact_28_the_deregistration_delay_ends_a_drain(now, ends):
    """A drain lasts at most the deregistration delay.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
    """
    going = instance(1, lifecycle=Lifecycle.DRAINING, drain_started_at=100.0, health=TargetHealth.DRAINING)
    busy = seen_of(going, in_flight=3)
    app = application(service(deployment=Deployment(deregistration_delay_s=30.0)))
    made = step(app, state(going, instance(2), desired=1), seen(busy, instance(2)), now=now)
    assert (Terminate(instance="web-1") in made.actions) is ends


@pytest.mark.parametrize(
    ("health", "in_flight", "ends"),
    [
        (TargetHealth.DRAINING, 0, True),
        (TargetHealth.UNUSED, 0, True),
        (TargetHealth.DRAINING, 1, False),
        (TargetHealth.HEALTHY, 0, False),
    ],
)
def test_fact_28_an_idle_target_is_drained_at_once(health, in_flight, ends):
    """Deregistration completes immediately if idle, once the balancer has confirmed it.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
    """
    going = instance(1, lifecycle=Lifecycle.DRAINING, drain_started_at=100.0)
    shown = seen(seen_of(going, target_health=health, in_flight=in_flight), instance(2))
    made = step(APP, state(going, instance(2), desired=1), shown, now=101.0)
    assert (Terminate(instance="web-1") in made.actions) is ends


def test_fact_31_weights_split_traffic():
    """Weighted target groups split traffic; here each target of a canary has a weight from 1 to 128.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html
    """
    old = [instance(number) for number in range(1, 5)]
    before = state(*old, instance(5, release=2), rollout=rollout(strategy=Strategy.CANARY, percent=10.0), desired=4)
    assert [one.weight for one in targets(before, "web")] == [9, 9, 9, 9, 4]


def test_fact_46_an_exited_instance_is_replaced_at_once():
    """An instance that no longer runs is replaced at once, whatever the grace period.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/health-check-grace-period.html
    """
    one, two = instance(1), instance(2)
    shown = seen(seen_of(one, exited=True, exit_code=-9, detail="out of memory"), two)
    made = step(APP, state(one, two), shown, now=100.0)
    (launch,) = made.actions
    assert isinstance(launch, Launch)
    assert launch.instance == "web-3"
    assert made.reasons[0].text == "web-1 was killed by signal 9 (SIGKILL): out of memory"


def test_fact_47_a_tenth_of_desired_is_replaced_at_a_time():
    """Unhealthy instances are replaced at most 10 % of desired at a time, at least one.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
    """
    for desired, at_once in ((3, 1), (10, 1), (30, 3)):
        sick = [instance(number, health=TargetHealth.UNHEALTHY) for number in range(1, desired + 1)]
        made = step(application(service(high=99)), state(*sick), seen(*sick), now=100.0)
        assert sum(1 for action in made.actions if isinstance(action, Launch)) == at_once


def test_fact_47_all_unhealthy_none_killed():
    """If all fail, fewer are replaced; here none leaves before its replacement is in service.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
    """
    sick = [instance(number, health=TargetHealth.UNHEALTHY) for number in (1, 2)]
    made = step(APP, state(*sick), seen(*sick), now=100.0)
    assert set(lifecycles(made).values()) == {"in_service", "launching"}
    new = replace(made.state.instances[2], ready_at=101.0)
    before = replace(made.state, instances=(*made.state.instances[:2], new))
    made = step(APP, before, seen(*sick, seen_of(new, target_health=TargetHealth.HEALTHY)), now=102.0)
    assert list(lifecycles(made).values()) == ["draining", "in_service", "in_service"]


def test_fact_48_the_lifecycle():
    """Pending, registered, InService; Terminating: deregister and drain, then proceed.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
    """
    assert [str(one) for one in Lifecycle] == ["launching", "in_service", "draining", "terminating"]
    new = launching(1, seen=True)
    made = step(APP, state(new, instance(2), desired=1), seen(new, instance(2)), now=1.0)
    assert lifecycles(made)["web-1"] == "terminating"  # never registered, so there is nothing to drain


def test_fact_50_who_leaves_first():
    """Whoever serves stays; among equals the fullest zone first, then the oldest release, then the oldest instance.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
    """
    rows = [
        instance(1, zone="a", release=2, launched_at=1.0),
        instance(2, zone="b", release=1, launched_at=2.0),
        instance(3, zone="a", release=1, launched_at=3.0),
        instance(4, zone="a", release=1, launched_at=2.5),
        instance(5, zone="a", release=2, launched_at=9.0, health=TargetHealth.UNHEALTHY),
    ]
    assert [one.id for one in victims(4, rows)] == ["web-5", "web-4", "web-3", "web-1"]
    assert [one.id for one in victims(9, rows[:2])] == ["web-1", "web-2"]


def test_fact_50_new_ones_go_to_the_emptiest_zone():
    """Instances are kept balanced over the zones.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/auto-scaling-benefits.html
    """
    rows = [instance(1, zone="a"), instance(2, zone="b"), instance(3, zone="a")]
    made = step(APP, state(*rows, desired=6), seen(*rows), now=1.0)
    assert [action.zone for action in made.actions] == ["b", "a", "b"]
