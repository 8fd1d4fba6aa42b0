"""How the balancer gets into the network between rooms where nobody is root, and still listens in the machine's own.

From inside it could not listen outside, and from outside it could not connect to what is inside. So one Envoy starts
outside and listens; a second starts inside and takes its sockets over, as in any hot restart of Envoy. A socket stays
in the network in which it was made. https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/operations/hot_restart
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from flyball.core.errors import Failed
from flyball.local.paths import StateDirectory
from flyball.local.process import logs, processes
from flyball.local.process.walls.rooms import INSIDE, WITHIN
from flyball.local.process.walls.router import Router
from flyball.local.process.watch import Watch, end_group

from . import files as envoy_files
from . import process as envoy_process
from .admin import Admin
from .config.types import extension

WITHIN_S = 20.0
GONE_AFTER_S = "1"
MARK = "FLYBALL_HANDOVER_OF"  # in the environment of the one outside: the state directory
MEMORY = Path("/dev/shm")  # noqa: S108 - where Envoy keeps what two of them share


async def handover(
    paths: StateDirectory, router: Router, bootstrap: Path, *, log: Path, mark: Mapping[str, str]
) -> processes.Process:
    """Start one outside, then the one that stays inside. Raises Failed when one of them does not start."""
    clear(paths)
    number = _number(paths)
    shared = [
        "--socket-path",
        str(paths.sockets / "hand"),
        "--socket-mode",
        "600",
        "--parent-shutdown-time-s",
        GONE_AFTER_S,
    ]
    outside = _outside(bootstrap, paths.sockets / "outside.sock")
    first = await processes.spawn(
        envoy_process.command(
            bootstrap=outside, log=log, concurrency=1,
            restart=["--use-dynamic-base-id", "--base-id-path", str(number), *shared],
        ),
        environment={"PATH": "/usr/bin:/bin", MARK: str(paths.root.resolve())}, directory=paths.root, log=log,
    )  # fmt: skip
    try:
        await _listens(first, paths.sockets / "outside.sock", log)
        base = number.read_text(encoding="ascii").strip()
        command = envoy_process.command(
            bootstrap=bootstrap, log=log, concurrency=1, restart=["--restart-epoch", "1", "--base-id", base, *shared]
        )
        enter = [sys.executable, "-I", "-S", str(WITHIN), str(INSIDE), str(router.users), str(router.path)]
        second = await processes.spawn(
            [*enter, *command], environment={"PATH": "/usr/bin:/bin", **mark}, directory=paths.root, log=log
        )
        try:
            await _gone(first, second, log)
        except BaseException:  # nobody knows of it yet
            end_group(second)
            raise
    finally:
        watch = Watch(first)
        watch.signal(signal.SIGKILL)
        watch.close()
        clear(paths)
    return second


def _outside(bootstrap: Path, admin: Path) -> Path:
    """What the first is told: to listen where the other will, and to serve nobody. It must not connect to addresses of
    rooms: outside they may be somebody's.
    """
    content = json.loads(bootstrap.read_text(encoding="utf-8"))
    content["admin"]["address"] = {"pipe": {"path": str(admin), "mode": 0o600}}
    del content["dynamic_resources"]
    hangs_up = extension("envoy.filters.network.direct_response", "filters.network.direct_response.v3.Config")
    port = envoy_files.listening(bootstrap.parent)["http"]
    own = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    chains = [{"filters": [hangs_up]}]
    listener = {"name": "http", "address": own, "enable_reuse_port": False, "filter_chains": chains}
    content["static_resources"] = {"listeners": [listener]}
    file = bootstrap.with_name("bootstrap-outside.json")
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


async def _listens(process: processes.Process, admin: Path, log: Path) -> None:
    asked = Admin(str(admin))
    try:
        async with asyncio.timeout(WITHIN_S):
            while not await asked.ready():
                if not processes.alive(process):
                    raise Failed(f"the balancer did not start: {logs.last_line(log)}")
                await asyncio.sleep(0.02)
    except TimeoutError as error:
        raise Failed(f"the balancer was not ready after {WITHIN_S:g} s: {logs.last_line(log)}") from error
    finally:
        await asked.close()


async def _gone(first: processes.Process, second: processes.Process, log: Path) -> None:
    """Wait until the first has handed over and ended; the second tells it to."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WITHIN_S):
            while processes.alive(first):
                if not processes.alive(second):
                    raise Failed(f"the balancer did not start: {logs.last_line(log)}")
                await asyncio.sleep(0.02)


def _number(paths: StateDirectory) -> Path:
    return paths.root / "handover"


def clear(paths: StateDirectory) -> None:
    """End one outside that was left behind, which would keep the port, and take away what the two share."""
    for left_behind, _ in processes.carriers(MARK, str(paths.root.resolve())):
        end_group(left_behind)
    number = _number(paths)
    with contextlib.suppress(OSError, ValueError):
        (MEMORY / f"envoy_shared_memory_{int(number.read_text(encoding='ascii')) * 10}").unlink()
    for left in (number, paths.sockets / "outside.sock", *paths.sockets.glob("hand*")):
        left.unlink(missing_ok=True)
