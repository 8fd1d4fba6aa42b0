"""How many instances does a load need, and how much of an instance does one request take?

Rule: what one request takes is measured: the processor time that all instances used, or the places they had occupied,
per request, whichever is more; a minute ago counts half. Load = requests per second x that, in instances. Needed are so
many more that no larger share of the requests than the objective allows waits longer than half of its latency (with
Erlang's C as Halfin and Whitt approximate it), and that none is busier than `FULLEST`.

https://doi.org/10.1287/opre.29.3.567 (Halfin and Whitt: square-root staffing)
"""

from __future__ import annotations

import math
from dataclasses import replace

from flyball.core.control.alarms import EXACT
from flyball.core.control.memory import AdaptiveMemory
from flyball.core.control.windows import Windows
from flyball.core.model import Adaptive, Metric

HALF_LIFE_S = 60.0
ENOUGH_REQUESTS = 5.0
FULLEST = 0.9
"""The largest share of an instance that is planned to be busy: what is measured of a second is not exact."""
LATE = {Metric.P50: 0.5, Metric.P95: 0.05, Metric.P99: 0.01}
"""The share of requests that may take longer than the objective says."""


def counted(memory: AdaptiveMemory, windows: Windows, places: int | None) -> AdaptiveMemory:
    """The memory with the newest datapoint, where all that served in it were measured."""
    cpu, in_flight, rates = windows.last(Metric.CPU), windows.last(Metric.CONCURRENCY), windows.rates
    instances = windows.in_service[-1] if windows.in_service else 0
    if cpu is None or in_flight is None or rates is None or not instances or windows.instances < instances:
        return memory
    fade = 0.5 ** (windows.period_s / HALF_LIFE_S)
    working = min(max(in_flight - windows.waiting, 0.0), instances * places) / places if places else 0.0
    return replace(
        memory,
        busy=memory.busy * fade + cpu / 100.0 * instances,
        placed=memory.placed * fade + working,
        requests=memory.requests * fade + rates.requests_per_s,
    )


def takes_s(memory: AdaptiveMemory) -> float | None:
    """How many seconds of an instance one request takes; None as long as hardly any has been seen."""
    if memory.requests < ENOUGH_REQUESTS:
        return None
    return max(memory.busy, memory.placed, EXACT) / memory.requests


def needed(rule: Adaptive, rate: float, takes: float) -> int:
    """The fewest instances that keep the objective at this rate."""
    load = rate * takes
    slack_s = rule.threshold / 1000.0 / 2
    count = max(1, math.ceil(load / FULLEST - EXACT))
    while count > load and _waits(load, count) * math.exp(-(count - load) * slack_s / takes) > LATE[rule.metric]:
        count += 1
    return count


def _waits(load: float, count: int) -> float:
    """The share of requests that wait at all."""
    if load <= 0:
        return 0.0
    beta = (count - load) / math.sqrt(load)
    below = 0.5 * math.erfc(-beta / math.sqrt(2))
    density = math.exp(-beta * beta / 2) / math.sqrt(2 * math.pi)
    return 1.0 / (1.0 + beta * below / density) if density > 0 else 0.0
