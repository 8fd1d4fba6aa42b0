"""Where does a new instance go, and which one leaves first?

Rule: a new instance goes to the zone with the fewest, the first of the file on a tie. Whoever serves is kept before
whoever starts, and that one before one that fails its health check (when none is healthy, the failing ones serve,
since the balancer fails open). Among equals, the one to leave is in the zone with the most instances; there, the one
of the oldest release, then the oldest.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
Ours: an Auto Scaling group looks at zones first, and may stop the only instance that serves. "Closest to the billing
hour" and "random" have no meaning here; age and number decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .observation import TargetHealth
from .state import Instance, Lifecycle


def zones_for(count: int, zones: Sequence[str], instances: Sequence[Instance]) -> list[str]:
    """Zones for `count` new instances, given those that stay."""
    load = Counter(dict.fromkeys(zones, 0))
    load.update(instance.zone for instance in instances if instance.zone in load)
    chosen = []
    for _ in range(count):
        zone = min(zones, key=lambda zone: load[zone])
        load[zone] += 1
        chosen.append(zone)
    return chosen


def victims(count: int, instances: Sequence[Instance], *, first: int | None = None) -> list[Instance]:
    """The `count` instances that leave first; those of release `first` before any other release."""
    fails_open = not any(one.healthy for one in instances)  # then the ill ones carry the traffic
    zones = Counter(instance.zone for instance in instances)
    left = sorted(instances, key=lambda one: (one.release, one.launched_at))
    chosen = []
    for _ in range(min(count, len(left))):
        victim = min(left, key=lambda one: (_worth(one, fails_open), one.release != first, -zones[one.zone], one.zone))
        left.remove(victim)
        zones[victim.zone] -= 1
        chosen.append(victim)
    return chosen


def _worth(instance: Instance, fails_open: bool) -> int:
    if instance.lifecycle is not Lifecycle.IN_SERVICE:
        return 1
    return 2 if fails_open or instance.health is not TargetHealth.UNHEALTHY else 0
