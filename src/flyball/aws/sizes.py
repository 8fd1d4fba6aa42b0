"""Fargate's task sizes, and the smallest one that fits an instance.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
"""

from __future__ import annotations

MIB = 1024 * 1024
UNITS = 1024
"""CPU units per core."""
MEMORY_MIB = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4097, 1024)),
    1024: tuple(range(2048, 8193, 1024)),
    2048: tuple(range(4096, 16385, 1024)),
    4096: tuple(range(8192, 30721, 1024)),
    8192: tuple(range(16384, 61441, 4096)),
    16384: tuple(range(32768, 122881, 8192)),
}
"""Memory sizes in MiB for each CPU size in CPU units."""


def fargate_size(cpu: float, memory_bytes: int) -> tuple[float, int]:
    """The smallest Fargate size with at least these cores and bytes, or the largest when none is big enough."""
    for units, sizes in MEMORY_MIB.items():
        fitting = next((size for size in sizes if size * MIB >= memory_bytes), None)
        if units >= cpu * UNITS and fitting is not None:
            return units / UNITS, fitting * MIB
    units, sizes = max(MEMORY_MIB.items())
    return units / UNITS, sizes[-1] * MIB
