"""Real children: starting, recognising, watching and signalling them."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from flyball.core.errors import Failed
from flyball.local.process import processes
from flyball.local.process.ports import free_port
from flyball.local.process.processes import Process
from flyball.local.process.watch import Watch
from waiting import until

pytestmark = pytest.mark.live
ENVIRONMENT = {"PATH": os.environ["PATH"]}
SOURCE = Path(processes.__file__).parents[3]


@pytest.fixture
def started() -> Iterator[list[Process]]:
    """Whatever a test puts here is dead when it ends."""
    found: list[Process] = []
    yield found
    for process in found:
        if processes.alive(process):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    for process in found:
        until(lambda process=process: not processes.alive(process))


@pytest.fixture
def run(tmp_path: Path, started: list[Process]):
    async def start(*argv: str, **keywords) -> Process:
        keywords = {"environment": ENVIRONMENT, "directory": tmp_path, "log": tmp_path / "log", **keywords}
        process = await processes.spawn(argv, **keywords)
        started.append(process)
        return process

    return start


async def test_a_spawned_process_is_orphaned_alone_in_its_session_and_writes_to_its_log(run, tmp_path: Path) -> None:
    process = await run("/bin/sh", "-c", "echo out; echo err >&2; pwd; exec sleep 100")
    until(lambda: (tmp_path / "log").read_text() == f"out\nerr\n{tmp_path}\n")
    assert processes.alive(process)
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid
    assert psutil.Process(process.pid).ppid() != os.getpid()


async def test_the_environment_is_exactly_what_was_given(run, tmp_path: Path) -> None:
    await run("/usr/bin/env", environment={"PATH": "/usr/bin", "ONLY": "this"})
    until(lambda: sorted((tmp_path / "log").read_text().split()) == ["ONLY=this", "PATH=/usr/bin"])


async def test_no_descriptor_and_no_ignored_signal_is_inherited(run, tmp_path: Path) -> None:
    leak = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leak, True)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        await run("/bin/sh", "-c", "ls /proc/$$/fd; grep SigIgn /proc/$$/status")
    finally:
        signal.signal(signal.SIGINT, before)
        os.close(leak)
    until(lambda: (tmp_path / "log").read_text() == "0\n1\n2\nSigIgn:\t0000000000000000\n")


async def test_the_log_is_appended_to(run, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    await run("/bin/echo", "after")
    until(lambda: (tmp_path / "log").read_text() == "before\nafter\n")


async def test_a_start_that_is_cancelled_leaves_nothing_running(run, tmp_path: Path) -> None:
    mark = str(tmp_path)
    starting = asyncio.create_task(run("/bin/sleep", "100", environment={**ENVIRONMENT, "FLYBALL_TEST": mark}))
    await asyncio.sleep(0)  # its thread has begun
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await asyncio.get_running_loop().shutdown_default_executor()
    until(lambda: not processes.carriers("FLYBALL_TEST", mark))


async def test_a_missing_program_is_named(run) -> None:
    with pytest.raises(Failed, match=r"^program not found: no-such-program$"):
        await run("no-such-program", "--port", "1")


async def test_a_file_that_may_not_be_executed_is_named(run, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    with pytest.raises(Failed, match=r"script cannot be started: permission denied"):
        await run(str(tmp_path / "script"))


async def test_a_missing_interpreter_is_told_from_a_missing_program(run, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/no/such/python\n")
    (tmp_path / "script").chmod(0o755)
    with pytest.raises(Failed, match="the interpreter that its first line names is missing"):
        await run(str(tmp_path / "script"))


async def test_a_text_without_first_line_is_refused(run, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("hello\n")
    (tmp_path / "script").chmod(0o755)
    with pytest.raises(Failed, match="neither a binary of this machine nor a script"):
        await run(str(tmp_path / "script"))


async def test_a_missing_directory_is_named(run, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="gone"):
        await run("/bin/true", directory=tmp_path / "gone")


async def test_an_unwritable_log_is_named(run, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"its log .*nowhere/log cannot be written: No such file"):
        await run("/bin/true", log=tmp_path / "nowhere" / "log")


async def test_a_missing_cgroup_is_named(run, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="cannot join its cgroup"):
        await run("/bin/true", cgroup_procs=[tmp_path / "cgroup.procs"])


async def test_cgroups_are_joined_before_the_program_runs(run, tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.touch()
    second.touch()
    await run("/bin/true", cgroup_procs=[first, second])
    assert (first.read_text(), second.read_text()) == ("0", "0")


async def test_a_watch_sees_the_end_of_a_process_that_is_no_child(run) -> None:
    process = await run("/bin/sleep", "100")
    watch = Watch(process)
    assert not watch.exited
    assert watch.exit_code() is None
    assert watch.signal(signal.SIGTERM)
    await asyncio.wait_for(watch.wait(), 60)
    assert watch.exited
    assert not processes.alive(process)
    assert not watch.signal(signal.SIGTERM)
    assert watch.exit_code() in {-signal.SIGTERM, None}
    watch.close()


async def test_a_watch_on_a_process_that_has_ended_tells_so_at_once(run) -> None:
    process = await run("/bin/true")
    until(lambda: not processes.alive(process))
    watch = Watch(process)
    await asyncio.wait_for(watch.wait(), 60)
    watch.close()


async def test_the_exit_code_is_known_as_long_as_the_system_knows_it(run) -> None:
    process = await run("/bin/sh", "-c", "sleep 0.2; exit 7")
    watch = Watch(process)
    await asyncio.wait_for(watch.wait(), 60)
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    assert watch.exit_code() == 7 or (watch.exit_code() is None and release < (6, 15))
    watch.close()


async def test_many_waiters_and_close_leave_nothing_behind(run) -> None:
    process = await run("/bin/sleep", "100")
    watches = [Watch(process) for _ in range(20)]
    waiting = [asyncio.create_task(watch.wait()) for watch in watches for _ in range(2)]
    await asyncio.sleep(0)
    open_before = psutil.Process().num_fds()
    watches[0].signal(signal.SIGKILL)
    await asyncio.wait_for(asyncio.gather(*waiting), 60)
    for watch in watches:
        watch.close()
    assert psutil.Process().num_fds() == open_before - 20


async def test_signal_group_reaches_the_children_also_when_the_leader_is_gone(run, tmp_path: Path) -> None:
    process = await run("/bin/sh", "-c", "sleep 100 & echo $!; wait")
    until(lambda: (tmp_path / "log").read_text().endswith("\n"))
    child = processes.identify(int((tmp_path / "log").read_text()))
    assert child is not None
    watch = Watch(process)
    watch.signal(signal.SIGKILL)
    await asyncio.wait_for(watch.wait(), 60)
    assert processes.alive(child)
    assert watch.signal_group(signal.SIGKILL)
    until(lambda: not processes.alive(child))
    watch.close()


async def test_a_reused_pid_is_never_taken_for_the_process(run) -> None:
    process = await run("/bin/sleep", "100")
    for stranger in (replace(process, started=process.started + 1), replace(process, boot_id="another")):
        watch = Watch(stranger)
        assert not processes.alive(stranger)
        assert watch.exited
        assert not watch.signal(signal.SIGKILL)
        assert not watch.signal_group(signal.SIGKILL)
        watch.close()
    assert processes.alive(process)


THREADS = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(100,)).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)  # ends this thread only
"""


async def test_a_process_lives_as_long_as_one_of_its_threads(run) -> None:
    process = await run(sys.executable, "-c", THREADS)
    until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert processes.alive(process)
    watch = Watch(process)
    assert not watch.exited
    assert watch.signal(signal.SIGKILL)
    await asyncio.wait_for(watch.wait(), 60)
    assert not processes.alive(process)
    watch.close()


class LookingWatch(Watch):
    """A watch on a system without pidfds."""

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


async def test_without_pidfd_the_end_is_found_by_looking(run) -> None:
    watch = LookingWatch(await run("/bin/sleep", "100"))
    waiting = asyncio.create_task(watch.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert watch.signal(signal.SIGKILL)
    await asyncio.wait_for(waiting, 60)
    assert not watch.signal(signal.SIGKILL)
    watch.close()


def test_a_record_comes_back_and_no_half_record_does(tmp_path: Path) -> None:
    process = Process(12, 34, "boot")
    path = tmp_path / "web-1.json"
    assert processes.load(path) is None
    processes.save(path, process, port=12345, release=7)
    assert processes.load(path) == (process, {"port": 12345, "release": 7})
    assert [file.name for file in tmp_path.iterdir()] == ["web-1.json"]
    for text in ("", "{", "[]", '{"pid": 1}', json.dumps({"pid": "x", "started": 1, "boot_id": "", "facts": {}})):
        path.write_text(text)
        assert processes.load(path) is None


async def test_orphans_are_found_by_their_environment_unless_recorded(run) -> None:
    mine = {**ENVIRONMENT, "FLYBALL_APPLICATION_ID": f"test-{os.getpid()}"}
    lost = await run("/bin/sleep", "100", environment={**mine, "FLYBALL_INSTANCE": "web-1"})
    known = await run("/bin/sleep", "100", environment={**mine, "FLYBALL_INSTANCE": "web-2"})
    await run("/bin/sleep", "100", environment={**mine, "FLYBALL_APPLICATION_ID": "another"})
    found = processes.orphans(f"test-{os.getpid()}", {known.pid})
    assert found == [lost]


def test_ports_are_below_the_outgoing_ones_and_not_given_twice() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    assert all(10_000 <= port < 32_768 for port in ports)
    following = {port + 1 for port in ports}
    assert free_port(following) not in following


ENVOY_PARENT = """
import asyncio, os, sys
from pathlib import Path
from flyball.local.process import processes
async def main():
    log, pid_file, *argv = sys.argv[1:]
    process = await processes.spawn(argv, environment=dict(os.environ), directory=Path("/"), log=Path(log))
    processes.save(Path(pid_file), process)
    await asyncio.sleep(100)
asyncio.run(main())
"""


def test_envoy_outlives_the_kill_of_the_control_plane(tmp_path: Path, started: list[Process]) -> None:
    """Envoy sets PR_SET_PDEATHSIG; as an ordinary child it would drain and exit when its parent dies."""
    from envoy import _envoy

    binary = Path(_envoy.__file__).with_name("_bin") / "envoy"
    config = tmp_path / "envoy.json"
    admin = tmp_path / "admin.sock"
    config.write_text(json.dumps({"admin": {"address": {"pipe": {"path": str(admin)}}}}))
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(ENVOY_PARENT))
    record = tmp_path / "envoy.record"
    envoy = [str(binary), "-c", str(config), "--disable-hot-restart", "--concurrency", "1"]
    parent = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "log"), str(record), *envoy],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    try:
        until(record.exists)
        saved = processes.load(record)
        assert saved is not None
        started.append(saved[0])
        until(admin.exists)
    finally:
        parent.kill()
        parent.wait()
    for _ in range(3):  # the signal would have come before the first of these questions
        assert b"LIVE" in ready(admin)
    assert processes.alive(saved[0])
    assert "SIGTERM" not in (tmp_path / "log").read_text()


def ready(admin: Path) -> bytes:
    """What Envoy's main thread, which also takes the signals, answers."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(admin))
        connection.sendall(b"GET /ready HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b""))
