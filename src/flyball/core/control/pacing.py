"""What keeps a service from changing too far or too fast? The memory of bounds, cooldowns, back-off and holds.

Rule: plain values that `capacity`, `scaling/cooldown` and `breaker` write and read; what they mean is said there.
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
