"""What one instance reserves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What one instance reserves: `cpu` in cores, memory in bytes.

    `burst` lets an instance save unused CPU time for one scheduler period.
    """

    cpu: float = 0.25
    memory_bytes: int = 512 * 1024 * 1024
    burst: bool = True
