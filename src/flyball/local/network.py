"""Every path of a running application, tried for real: as a visitor, as another user, and from inside each service.

A path is open when one way along it succeeds: a connection that is answered, a file that opens, a process that may be
signalled. What leads outside is tried as far as this machine itself: nothing is sent to others. What was found to be
other than declared is tried again before it is said: a machine may be busy.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from flyball.core.boundary import BALANCER, CONTROL_PLANE, INTERNET, OTHER_USER, VISITOR, Way, ways
from flyball.core.control.state import Lifecycle
from flyball.core.model import StoreKind

from .instances.instances import Running
from .process import processes
from .process.walls.address import LOCALHOST, Address
from .process.walls.rooms import INSIDE
from .runtime.runtime import Runtime

ATTEMPT = Path(__file__).parent / "process" / "walls" / "attempt.py"
NOBODY = 65534
TRIES = 3
PAUSE_S = 0.5
LONGEST_S = 30.0
_GREETING = b"here\n"
_HTTP = b"GET / HTTP/1.0\r\n\r\n"
_PING = b"PING\r\n"

Attempt = tuple[str | int | bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A path, and whether it was found open; None when it could not be tried."""

    way: Way
    found: bool | None


async def tried(runtime: Runtime) -> list[Crossing]:
    """Every path, tried."""
    outside, server = await _outside()
    try:
        found = await _round(runtime, ways(runtime.app), outside)
        for _ in range(TRIES - 1):
            wrong = [each.way for each in found if each.found not in {None, each.way.declared}]
            if not wrong:
                break
            await asyncio.sleep(PAUSE_S)
            again = {each.way: each for each in await _round(runtime, tuple(wrong), outside)}
            found = [again.get(each.way, each) for each in found]
    finally:
        if server is not None:
            server.close()
        if runtime.walls is not None:
            await asyncio.to_thread(runtime.walls.refusals)  # nobody need be told of these attempts
    return found


async def _outside() -> tuple[tuple[str, int] | None, asyncio.Server | None]:
    """An address of this machine that is not its localhost, with something that answers."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not one.address.startswith(("127.", "169.254.")):
                server = await asyncio.start_server(_greet, one.address, 0)
                return (one.address, server.sockets[0].getsockname()[1]), server
    return None, None


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_GREETING)
    writer.close()


async def _round(runtime: Runtime, asked: tuple[Way, ...], outside: tuple[str, int] | None) -> list[Crossing]:
    found: dict[Way, bool | None] = dict.fromkeys(asked)
    for start in dict.fromkeys(way.start for way in asked):
        host = None if outside is None else outside[0]
        attempts = {way: _attempts(runtime, way, outside) for way in asked if way.start == start}
        if start == INTERNET:
            attempts = {way: None if host is None else _from_afar(each, host) for way, each in attempts.items()}
        known = {way: each for way, each in attempts.items() if each is not None}
        answers = await _try(runtime, start, [attempt for each in known.values() for attempt in each])
        if answers is not None:
            for way, each in known.items():
                found[way], answers = any(answers[: len(each)]), answers[len(each) :]
    return [Crossing(way=way, found=found[way]) for way in asked]


def _from_afar(attempts: list[Attempt] | None, host: str) -> list[Attempt] | None:
    """The same ports, at the address that other machines see."""
    if attempts is None:
        return None
    return [("answers", host, *attempt[2:]) for attempt in attempts if attempt[0] == "answers"]


def _attempts(runtime: Runtime, way: Way, outside: tuple[str, int] | None) -> list[Attempt] | None:
    """How to get from one end to the other; None when there is nothing to try with."""
    if way.end == BALANCER:
        return [_to_balancer(runtime, way.start)]
    if way.end == INTERNET:
        return None if outside is None else [("answers", *outside, b"")]
    if way.end == CONTROL_PLANE:
        return [] if way.start in {VISITOR, INTERNET} else list(_to_control_plane(runtime))
    if way.end.startswith("store:"):
        return _to_store(runtime, way.end.removeprefix("store:"), way.start)
    here = _instance(runtime, way.start)
    others = [one for one in _running(runtime, way.end) if one is not here]
    found: list[Attempt] = []
    for one in others:
        at = runtime.instances.address(one)
        found += [("answers", host, at.port, _HTTP) for host in _hosts(at, way.start)]
    return found or None


def _to_balancer(runtime: Runtime, start: str) -> Attempt:
    door = runtime.door
    if start in {VISITOR, OTHER_USER, INTERNET} or door.inside is None:
        return ("answers", "127.0.0.1", door.port, _HTTP)
    return ("answers", door.inside, door.inside_port, _HTTP)


def _to_control_plane(runtime: Runtime) -> Iterator[Attempt]:
    yield from (("listens", str(path)) for path in sorted(runtime.paths.sockets.glob("*.sock")))
    kept = (runtime.paths.journal, runtime.paths.control_file, runtime.paths.xds / "bootstrap.json")
    yield from (("opens", str(path.absolute())) for path in kept)
    own = processes.identify(os.getpid())
    for process in (own, runtime.balancer.process):
        if process is not None:
            yield "opens", f"/proc/{process.pid}/environ"
            yield "signals", process.pid, process.started


def _hosts(at: Address, start: str) -> tuple[str, ...]:
    """Where to try: outside the walls nobody has the addresses of rooms, and they may be somebody's on the internet."""
    outsider = start in {VISITOR, OTHER_USER, INTERNET}
    return (LOCALHOST,) if outsider or at.host == LOCALHOST else (at.host, LOCALHOST)


def _to_store(runtime: Runtime, name: str, start: str) -> list[Attempt] | None:
    if runtime.app.store(name).kind is StoreKind.REDIS:
        at = runtime.stores.redis_address(name)
        if at is None:
            return None
        return [("answers", host, at.port, _PING) for host in _hosts(at, start)]
    path = runtime.stores.file(name)
    return [] if start in {VISITOR, INTERNET} else None if path is None else [("opens", str(path))]


def _running(runtime: Runtime, service: str) -> list[Running]:
    serving = {one.id for one in runtime.state.instances if one.lifecycle is Lifecycle.IN_SERVICE}
    alive = (one for one in runtime.instances.running.values() if one.process is not None and not one.exited)
    return [one for one in alive if one.service == service and one.id in serving]


def _instance(runtime: Runtime, service: str) -> Running | None:
    return next(iter(_running(runtime, service)), None)


async def _try(runtime: Runtime, start: str, attempts: list[Attempt]) -> list[bool] | None:
    """What succeeded of it, from there; None when nobody can be there."""
    user: int | None = None
    group: int | None = None
    groups: tuple[int, ...] | None = ()
    pid = 0
    if start in {OTHER_USER, VISITOR, INTERNET}:
        if os.geteuid() == 0:
            user = group = NOBODY
        elif start == OTHER_USER and any(attempt[0] != "answers" for attempt in attempts):
            return None
    else:
        here = _instance(runtime, start)
        if here is None or here.process is None:
            return None
        pid = here.process.pid if here.number else 0
        if runtime.walls is not None and here.number:
            user, group = runtime.walls.user(start), runtime.walls.group(start)
            groups = runtime.walls.groups(runtime.app.service(start).stores)
    kept = None if groups is None else list(groups)
    asked = {"pid": pid, "user": user, "group": group, "groups": kept, "attempts": attempts}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", str(ATTEMPT), str(INSIDE),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LONGEST_S):
            told, _ = await child.communicate(marshal.dumps(asked))
    except TimeoutError:
        child.kill()
        await child.wait()
        return None
    return list(marshal.loads(told)) if told else None  # noqa: S302 - written by our own script
