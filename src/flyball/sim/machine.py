"""The machine that all instances are on: how much of it the instances of each service have at a moment.

What a calibration measured of it is in `numbers.Machine`; without, every instance has what it reserves. What others
use comes in bursts: the measured seconds are gone through in their order, again and again, beginning anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from .numbers import Machine, drawn
from .wards import Member, Ward

BUILDING = 1.0
"""Cores that a build wants."""
SHORTEST_STALL_S = 0.02
"""What is shorter may only be the control plane that wakes late."""


@dataclass(slots=True)
class Shared:
    """`per_s`: requests answered in the last second; `used`: cores that each service used then."""

    machine: Machine
    seed: int
    per_s: float = 0.0
    used: dict[str, float] = field(default_factory=dict)
    building: int = 0
    still: bool = False
    _draw: Random = field(init=False)
    _second: int = field(init=False)

    def __post_init__(self) -> None:
        known = len(self.machine.seconds)
        self._second = Random(f"{self.seed} others").randrange(known) if known else 0  # noqa: S311
        self._draw = Random(f"{self.seed} stalls")  # noqa: S311 - repeatable, not secret

    def see(self, uses: dict[str, tuple[int, float]], elapsed_s: float) -> None:
        """What the services answered, and the processor seconds of their instances, since the last time."""
        self.per_s = sum(answered for answered, _ in uses.values()) / elapsed_s
        self.used = {name: cpu_s / elapsed_s for name, (_, cpu_s) in uses.items()}
        self._second += 1

    def stall(self) -> tuple[float, float] | None:
        """In how many seconds the machine stands still, and how long, if it does within this second."""
        lasts_s = drawn(self.machine.stall, self._draw.random())
        at_s = self._draw.random() * max(1.0 - lasts_s, 0.0)
        return (at_s, lasts_s) if lasts_s >= SHORTEST_STALL_S else None

    def share_out(self, wards: dict[str, Ward], members: Iterator[Member], *, now: float) -> None:
        """Tell every service's engine what is left for it. The engines are at `now`."""
        machine = self.machine
        starting = sum(1 for one in members if not one.ready and one.gone_at is None)
        others = starting * machine.starting + self.building * BUILDING
        seconds = machine.seconds or (machine.background,)
        left = machine.cores - seconds[self._second % len(seconds)] - machine.request_s * self.per_s
        for name, ward in wards.items():
            if ward.engine is not None:
                beside = sum(used for other, used in self.used.items() if other != name)
                cores, least = (0.0, 0.0) if self.still else (max(left - beside, 0.0), machine.least)
                ward.engine.machine(cores, others, least=least, whole=machine.cores, now=now)
