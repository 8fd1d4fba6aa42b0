"""What do policies remember between two datapoints? Small frozen values, kept in the state of their service.

Rule: each policy has its own part and nobody else reads it; a part that a journal does not have yet is as new.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A capacity that was wanted, or a change that was made, at a time."""

    at: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HpaMemory:
    """`at`: when it last looked, and found `desired` instances; `wanted`: what it wanted then.

    `wished`: its recommendations lately; `changed`: how many instances were added, or removed (below 0), and when.
    """

    at: float | None = None
    desired: int = 0
    wanted: int = 0
    wished: tuple[Wish, ...] = ()
    changed: tuple[Wish, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KpaMemory:
    """`at`: when it last looked; `wanted`: what it wanted then.

    `panic_at`: when its panic window last needed too much, None without panic; `most`: the most it wanted in panic.
    `wished`: what it wanted lately, kept only with a delay of the scale-in.
    """

    at: float | None = None
    wanted: int = 0
    panic_at: float | None = None
    most: int = 0
    wished: tuple[Wish, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictiveMemory:
    """The load of each hour that is over, oldest first, None where nothing was measured; `hour` is the open one.

    `total` and `weight` are sums of the open hour. Hours are counted from the epoch.
    """

    hour: int | None = None
    total: float = 0.0
    weight: int = 0
    loads: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """A burst that comes every `cycle_s` (minutes, an hour, a day, a week), `times` as much as before it.

    `came` and `missed` count how often it did and did not; `next_at`: when it is expected next.
    """

    cycle_s: float
    next_at: float
    times: float
    came: int = 1
    missed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveMemory:
    """What one request takes, as fading sums of datapoints: `busy` and `placed` instance-seconds, and `requests`.

    `level`: requests per second, slowly averaged. `began_at`, `peak`: of the burst that runs, None without one.
    `bursts`: the ones that are expected. `wished`: falling wishes, each the largest since its time. `strain`: how much
    more than calculated the latency needs. `together`, `deviation`, `spread` and `highest`: what the forecast of one
    start delay has learned (`scaling/ahead.py`).
    """

    busy: float = 0.0
    placed: float = 0.0
    requests: float = 0.0
    level: float | None = None
    began_at: float | None = None
    peak: float = 0.0
    bursts: tuple[Burst, ...] = ()
    wished: tuple[Wish, ...] = ()
    strain: float = 1.0
    together: float = 0.0
    deviation: float = 0.0
    spread: float = 1.2
    highest: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The parts of all policies."""

    hpa: HpaMemory = HpaMemory()
    kpa: KpaMemory = KpaMemory()
    predictive: PredictiveMemory = PredictiveMemory()
    adaptive: AdaptiveMemory = AdaptiveMemory()
