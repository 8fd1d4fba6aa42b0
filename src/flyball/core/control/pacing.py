"""What keeps a service from changing too far or too fast? The memory of bounds, cooldowns, back-off, holds and limits.

Rule: plain values of `capacity`, `scaling/cooldown`, `breaker` and `concurrency`; what they mean is said there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`min` and `max` in force, and what the file said when they were set: a scheduled action may have moved them."""

    min: int
    max: int
    file_min: int
    file_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cooldown:
    """When each direction's cooldown ends, None when it does not run; `out_base`: capacity before the scale-out."""

    out_until: float | None = None
    out_base: int = 0
    in_until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Failures in a row of young instances, when the last was, and of which release.

    `retry_at` has one time for each place that stays empty until then; every other launch goes on.
    """

    failures: int = 0
    failed_at: float | None = None
    release: int | None = None
    retry_at: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A hold that was said, and when it was last in force."""

    key: str
    last_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """How many requests an instance works on at a time, where it adapts; `said` is the last that was told.

    `inside_s`: how long requests take inside while nothing is in their way, `measured` how much that rests on: a rate
    of requests. `careful_from`: the limit from which on it rises by one at a time.
    """

    limit: int = 80
    inside_s: float | None = None
    measured: float = 0.0
    careful_from: int | None = None
    said: int = 80
