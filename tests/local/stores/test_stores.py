"""Stores: files and real Redis servers that keep data and port through crashes, restarts and adoption."""

# ruff: noqa: ASYNC240 - a test may block its own loop

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psutil
import pytest

from flyball.core.errors import Failed
from flyball.core.model import Application, KeyField, KeyType, Service, Store, StoreKind
from flyball.dashboard import redis_view
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.process.watch import Watch
from flyball.local.stores import redis
from flyball.local.stores.stores import Stores
from waiting import soon

MESSAGES = Store(
    name="messages", kind=StoreKind.TABLE, key=(KeyField(name="board"), KeyField(name="posted", type=KeyType.NUMBER))
)
SESSIONS = Store(name="sessions", kind=StoreKind.REDIS)
UPLOADS = Store(name="uploads", kind=StoreKind.BUCKET)


def application(*declared: Store) -> Application:
    return Application(name="app", services=(Service(name="web", run="x"),), stores=declared)


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[StateDirectory]:
    found = StateDirectory(tmp_path / "a b#c" / ".flyball")
    found.create()
    yield found
    found.sockets.rmdir()


@pytest.fixture
async def opened(paths: StateDirectory) -> AsyncIterator[Callable[[], Stores]]:
    """Make Stores; whatever they started has ended after the test."""

    yield Stores
    for process in servers(paths):
        watch = Watch(process)
        watch.signal(signal.SIGKILL)
        await asyncio.wait_for(watch.wait(), 60)
        watch.close()


def servers(paths: StateDirectory) -> list[processes.Process]:
    """Every process that runs in the directory of the store."""
    directory = str(paths.stores / "sessions")
    found = [processes.identify(one.pid) for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == directory]
    return [process for process in found if process is not None]


def port_of(url: str) -> int:
    assert urlsplit(url).scheme == "redis"
    assert urlsplit(url).hostname == "127.0.0.1"
    assert urlsplit(url).path == "/0"
    return int(urlsplit(url).port or 0)


def ask(url: str, *words: str) -> str:
    with connected(url) as connection:
        connection.sendall(" ".join(words).encode() + b"\r\n")
        return connection.recv(10_000).decode().split("\r\n")[-2]


@contextlib.contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection that has said the URL's password, if there is one."""
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=60) as connection:
        word = urlsplit(url).password
        if word is not None:
            connection.sendall(f"AUTH {word}\r\n".encode())
            assert connection.recv(100) == b"+OK\r\n"
        yield connection


def pid_of(paths: StateDirectory) -> int:
    loaded = processes.load(paths.processes / "store-sessions.json")
    assert loaded is not None
    assert loaded[1]["store"] == "sessions"
    return loaded[0].pid


async def killed(paths: StateDirectory) -> None:
    loaded = processes.load(paths.processes / "store-sessions.json")
    assert loaded is not None
    watch = Watch(loaded[0])
    watch.signal(signal.SIGKILL)
    await asyncio.wait_for(watch.wait(), 60)
    watch.close()


async def test_a_table_is_an_empty_database_for_many_writers_and_its_url_says_all(paths: StateDirectory) -> None:
    store = Stores()
    url = (await store.ensure(application(MESSAGES), paths))["messages"]
    parts = urlsplit(url)
    file = Path(unquote(parts.path))
    assert (parts.scheme, parts.netloc, file) == ("sqlite", "", (paths.stores / "messages.db").absolute())
    assert parse_qs(parts.query) == {"table": ["messages"], "key": ["board:string,posted:number"]}
    assert parts.query == "table=messages&key=board:string,posted:number"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    database = sqlite3.connect(file)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    database.execute("CREATE TABLE t (x)")
    database.execute("INSERT INTO t VALUES (1)")
    database.commit()
    assert (await Stores().ensure(application(MESSAGES), paths))["messages"] == url
    assert database.execute("SELECT x FROM t").fetchall() == [(1,)]
    database.close()
    assert await store.check() == {"messages": None}
    file.write_bytes(b"no database" * 1000)
    assert "file is not a database" in str((await store.check())["messages"])


async def test_a_file_that_is_no_database_is_refused_and_left(paths: StateDirectory) -> None:
    (paths.stores / "messages.db").write_text("precious" * 1000)
    with pytest.raises(Failed, match=r"the store messages cannot be made in .*: file is not a database"):
        await Stores().ensure(application(MESSAGES), paths)
    assert (paths.stores / "messages.db").read_text() == "precious" * 1000


async def test_a_bucket_is_a_directory(paths: StateDirectory) -> None:
    store = Stores()
    url = (await store.ensure(application(UPLOADS), paths))["uploads"]
    directory = Path(unquote(urlsplit(url).path))
    assert (urlsplit(url).scheme, directory) == ("file", (paths.stores / "uploads").absolute())
    assert directory.is_dir()
    assert await store.check() == {"uploads": None}
    directory.rmdir()
    assert await store.check() == {"uploads": f"{directory} cannot be read and written"}


@pytest.mark.live
async def test_a_killed_redis_comes_back_with_its_port_and_its_data(paths: StateDirectory, opened) -> None:
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    assert 10_000 <= port_of(url) < 32_768
    for number in range(100):
        assert ask(url, "SET", f"key{number}", str(number)) == "+OK"
    assert await store.check() == {"sessions": None}
    first = pid_of(paths)
    await killed(paths)
    assert "no connection" in str((await store.check())["sessions"])
    (seen,) = await store.keep()
    assert (seen.name, seen.problem) == ("sessions", "")
    assert seen.last_words
    assert pid_of(paths) != first
    assert [ask(url, "GET", f"key{number}") for number in range(100)] == [str(number) for number in range(100)]
    assert await store.keep() == []
    await store.stop()
    assert not processes.alive(processes.Process(first, 0, ""))
    assert await store.check() == {}


@pytest.mark.live
async def test_a_redis_that_is_stopped_is_ended_and_comes_back_with_its_data(paths: StateDirectory, opened) -> None:
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    assert ask(url, "SET", "key", "kept") == "+OK"
    first = pid_of(paths)
    os.kill(first, signal.SIGSTOP)
    (seen,) = await store.keep()
    assert (seen.name, seen.hung, seen.problem) == ("sessions", True, "")
    assert pid_of(paths) != first
    assert ask(url, "GET", "key") == "kept"
    os.kill(pid_of(paths), signal.SIGSTOP)
    later = opened()  # a control plane that comes when it hangs already
    assert await later.ensure(application(SESSIONS), paths) == {"sessions": url}
    assert ask(url, "GET", "key") == "kept"
    await later.stop()


@pytest.mark.live
async def test_a_file_that_is_applied_while_a_server_comes_back_starts_no_second_one(
    paths: StateDirectory, opened
) -> None:
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    await killed(paths)
    _, urls = await asyncio.gather(store.keep(), store.ensure(application(SESSIONS), paths))
    assert urls == {"sessions": url}
    assert ask(url, "PING") == "+PONG"
    assert [process.pid for process in servers(paths)] == [pid_of(paths)]


@pytest.mark.live
async def test_no_write_that_redis_acknowledged_is_lost_when_it_is_killed_at_once(
    paths: StateDirectory, opened
) -> None:
    """`appendfsync everysec` flushes one second after the last flush, and puts off writes meanwhile: they were lost."""
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    for number in range(3):
        await asyncio.sleep(1.1)
        pid = pid_of(paths)
        with connected(url) as connection:
            for name in ("first", "second"):
                connection.sendall(f"SET {name}{number} x\r\n".encode())
                assert connection.recv(100) == b"+OK\r\n"
            os.kill(pid, signal.SIGKILL)
        await killed(paths)
        await store.keep()
        assert [ask(url, "GET", f"{name}{number}") for name in ("first", "second")] == ["x", "x"]
    await store.stop()


@pytest.fixture
def small_disk(paths: StateDirectory) -> Iterator[Path]:
    """A disk of 6 MB that holds the stores."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", paths.stores], check=False)
    if mounted.returncode != 0:
        pytest.skip("a tiny disk cannot be mounted here")
    yield paths.stores
    subprocess.run(["umount", "-l", paths.stores], check=True)


@pytest.mark.live
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny disk needs root")
async def test_what_redis_cannot_append_it_does_not_acknowledge(
    paths: StateDirectory, small_disk: Path, opened
) -> None:
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    (small_disk / "filler").write_bytes(bytes(3_000_000))
    number, answer = 0, "+OK"
    while answer == "+OK":
        number += 1
        answer = ask_or_nothing(url, "SET", f"k{number}", "x" * 10_000)

    async def kept(*command: str) -> str:
        await store.keep()
        return ask_or_nothing(url, *command)

    async def refused() -> bool:
        return (await kept("SET", "later", "x")).startswith("-NOREPLICAS")

    await soon(lambda: kept("GET", "k1"), what="it ended itself, and comes back to be read")
    await soon(refused, what="it takes no writes")
    await killed(paths)
    (small_disk / "filler").unlink()
    await store.keep()

    assert [one for one in range(1, number) if ask(url, "EXISTS", f"k{one}") != ":1"] == []
    assert ask(url, "SET", "later", "x") == "+OK"
    await store.stop()


def ask_or_nothing(url: str, *words: str) -> str:
    try:
        return ask(url, *words)
    except (OSError, IndexError):
        return ""


@pytest.mark.live
async def test_a_redis_is_taken_over_by_the_next_control_plane(paths: StateDirectory, opened) -> None:
    url = (await opened().ensure(application(SESSIONS), paths))["sessions"]
    first = pid_of(paths)
    later = opened()
    assert (await later.ensure(application(SESSIONS), paths))["sessions"] == url
    assert pid_of(paths) == first
    await later.stop()


@pytest.mark.live
async def test_port_and_data_outlive_down_and_up(paths: StateDirectory, opened) -> None:
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    ask(url, "SET", "views", "7")
    await store.stop()
    assert (await store.ensure(application(SESSIONS), paths))["sessions"] == url
    assert ask(url, "GET", "views") == "7"
    await store.stop()


@pytest.mark.live
async def test_another_port_is_chosen_when_somebody_has_taken_it(paths: StateDirectory, opened) -> None:
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    ask(url, "SET", "views", "7")
    await store.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port_of(url)))
        taken.listen()
        other = (await store.ensure(application(SESSIONS), paths))["sessions"]
        assert port_of(other) != port_of(url)
        assert ask(other, "GET", "views") == "7"
    await store.stop()


@pytest.mark.live
async def test_a_restart_on_a_taken_port_is_told_once_with_the_servers_own_words(paths: StateDirectory, opened) -> None:
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    await killed(paths)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port_of(url)))
        taken.listen()
        (seen,) = await store.keep()
        assert seen.problem.startswith("the store sessions did not start: ")
        assert await store.keep() == []
    assert [one.problem for one in await store.keep()] == [""]
    assert await store.check() == {"sessions": None}
    await store.stop()


@pytest.mark.live
async def test_a_restart_that_takes_longer_than_is_waited_for_is_told_when_it_serves(
    paths: StateDirectory, opened
) -> None:
    store = opened()
    await store.ensure(application(SESSIONS), paths)
    (server,) = store._servers.values()
    server.failing = True
    assert [(one.name, one.problem) for one in await store.keep()] == [("sessions", "")]
    assert await store.keep() == []


@pytest.mark.live
async def test_a_server_that_was_started_but_never_recorded_does_not_write_beside_the_new_one(
    paths: StateDirectory, opened
) -> None:
    store = opened()
    await store.ensure(application(SESSIONS), paths)
    first = processes.identify(pid_of(paths))
    assert first is not None
    (paths.processes / "store-sessions.json").unlink()
    later = opened()
    await later.ensure(application(SESSIONS), paths)
    assert not processes.alive(first)
    assert redis.unrecorded(paths.stores / "sessions") == processes.identify(pid_of(paths))
    await later.stop()


@pytest.mark.live
async def test_nobody_reads_or_writes_without_the_password(paths: StateDirectory, opened) -> None:
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    word = urlsplit(url).password
    assert word is not None
    assert len(word) >= 32
    assert ask(url, "SET", "key", "mine") == "+OK"
    await killed(paths)
    await store.keep()
    for stranger in (f"redis://127.0.0.1:{port_of(url)}/0", url.replace(word, "")):
        for words in (("GET", "key"), ("SET", "key", "theirs"), ("SHUTDOWN",), ("CONFIG", "GET", "requirepass")):
            assert ask_plainly(stranger, *words).startswith("-NOAUTH")
    assert ask(url, "GET", "key") == "mine"
    for file in (paths.store_password, paths.stores / "sessions" / "server.conf"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = b" ".join(Path(f"/proc/{pid_of(paths)}/{name}").read_bytes() for name in ("cmdline", "environ"))
    assert word.encode() not in shown
    assert word not in repr(store._servers)
    assert word.encode() not in (paths.processes / "store-sessions.json").read_bytes()
    at = store.redis_address("sessions")
    assert at is not None
    assert (await redis_view.keys(at, cursor="0", pattern="*"))["total"] == 1
    await store.stop()


def ask_plainly(url: str, *words: str) -> str:
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=60) as connection:
        connection.sendall(" ".join(words).encode() + b"\r\n")
        return connection.recv(10_000).decode()


@pytest.mark.live
async def test_a_server_of_an_older_version_keeps_its_address_until_nothing_runs(paths: StateDirectory, opened) -> None:
    record = paths.processes / "store-sessions.json"
    store = opened()
    url = (await store.ensure(application(SESSIONS), paths))["sessions"]
    with connected(url) as connection:  # as if it had been started without one
        connection.sendall(b'CONFIG SET requirepass ""\r\n')
        assert connection.recv(100) == b"+OK\r\n"
    process, facts = processes.load(record) or pytest.fail("there is no record")
    del facts["password"]
    processes.save(record, process, **facts)
    plain = f"redis://127.0.0.1:{port_of(url)}/0"
    later = opened()
    assert await later.ensure(application(SESSIONS), paths) == {"sessions": plain}
    assert await later.check() == {"sessions": None}
    assert ask(plain, "SET", "key", "kept") == "+OK"
    await killed(paths)
    await later.keep()
    assert ask(plain, "GET", "key") == "kept"
    await later.stop()
    assert await later.ensure(application(SESSIONS), paths) == {"sessions": url}
    assert ask(url, "GET", "key") == "kept"
    await later.stop()


def test_the_server_is_looked_for_where_the_user_says_then_on_path_then_in_the_wheel(tmp_path: Path) -> None:
    for name in ("redis-server", "valkey-server"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert redis.redis_server({"PATH": str(tmp_path)}) == tmp_path / name
    assert redis.redis_server({"PATH": str(tmp_path), "FLYBALL_REDIS_SERVER": "/bin/true"}) == Path("/bin/true")
    with pytest.raises(Failed, match="FLYBALL_REDIS_SERVER names /no/such, which is no program"):
        redis.redis_server({"PATH": str(tmp_path), "FLYBALL_REDIS_SERVER": "/no/such"})
    if sys.platform == "linux":
        assert redis.redis_server({"PATH": "/nowhere"}).name == "valkey-server"
