"""Where does a new instance go, and which one leaves first?

Rule: a new instance goes to the zone with the fewest, the first of the file on a tie. The one to leave is in the zone
with the most; there, one that is not (or no longer healthily) in service first, then the oldest release, then the
oldest.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html
Ours: "closest to the billing hour" and "random" have no meaning here; age and number decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .state import Instance


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
    zones: dict[str, list[Instance]] = {}
    for instance in sorted(instances, key=lambda one: _order(one, first))[::-1]:
        zones.setdefault(instance.zone, []).append(instance)
    chosen = []
    for _ in range(min(count, len(instances))):
        fullest = max(sorted(zones), key=lambda zone: len(zones[zone]))
        chosen.append(zones[fullest].pop())
    return chosen


def _order(instance: Instance, first: int | None) -> tuple[bool, bool, int, float]:
    return (instance.healthy, instance.release != first, instance.release, instance.launched_at)
