"""Limits on the real cgroups of this machine, and on trees of files that look like version 2."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flyball.core.model import Size
from flyball.local.instances.cgroups import Files, Version1, Version2, count
from flyball.local.instances.detect import detect
from flyball.local.instances.limits import Limits
from waiting import until

MB = 1024 * 1024
SMALL = Size(cpu=0.25, memory_bytes=64 * MB)


@pytest.fixture
def limits() -> Iterator[Limits]:
    found = detect(application=f"test-{os.getpid()}")
    if not found.enforced:
        pytest.skip(f"needs writable cgroups: {found.describe()}")
    yield found
    found.cleanup()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/flyball-test-{os.getpid()}"))


@pytest.fixture
def run(limits: Limits):
    """Start Python in an instance's cgroups; it is in all of them when the call returns."""
    children: list[subprocess.Popen[bytes]] = []
    joiner = 'n=$1; shift; while [ $n -gt 0 ]; do echo 0 > "$1"; shift; n=$((n-1)); done; exec "$@"'

    def start(instance: str, program: str) -> subprocess.Popen[bytes]:
        procs = limits.create(instance)
        words = [str(len(procs)), *map(str, procs), sys.executable, "-I", "-S", "-c", program]
        child = subprocess.Popen(["/bin/sh", "-c", joiner, "sh", *words], start_new_session=True)
        children.append(child)
        pid = str(child.pid)
        until(lambda: child.poll() is not None or all(pid in path.read_text().split() for path in procs))
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()


BURN = "import time\nend = time.monotonic() + 60\nwhile time.monotonic() < end: pass"


@pytest.mark.live
@pytest.mark.root
def test_an_instance_gets_its_share_of_a_core_and_more_while_it_starts(limits: Limits, run) -> None:
    limits.create("web-1")
    limits.apply("web-1", SMALL)
    child = run("web-1", BURN)
    until(lambda: limits.usage("web-1", [child.pid]).cpu_s > 0.1)
    at, before = time.monotonic(), limits.usage("web-1", [child.pid]).cpu_s
    until(lambda: limits.usage("web-1", [child.pid]).cpu_s > before + 0.3)
    share = (limits.usage("web-1", [child.pid]).cpu_s - before) / (time.monotonic() - at)
    assert share < 0.35  # a quarter of a core, and one saved slice; how much is left over is the machine's matter
    limits.boost("web-1", SMALL)
    quota = next(Path("/sys/fs/cgroup").glob(f"**/flyball-test-{os.getpid()}/web-1/cpu.cfs_quota_us"), None)
    assert quota is None or quota.read_text() == "100000\n"


@pytest.mark.live
@pytest.mark.root
def test_a_hog_is_killed_at_the_memory_limit_and_the_reason_is_known(limits: Limits, run) -> None:
    limits.create("web-1")
    limits.boost("web-1", SMALL)
    child = run("web-1", "x = bytearray()\nwhile True: x += bytes(1 << 20)")
    assert child.wait(60) == -signal.SIGKILL
    assert limits.oom_kills("web-1")
    limits.create("web-2")
    assert not limits.oom_kills("web-2")


@pytest.mark.live
@pytest.mark.root
def test_usage_counts_children_and_memory_that_matters(limits: Limits, run) -> None:
    child = run("web-1", "import os, time\nx = b'1' * (30 << 20)\nos.fork()\ntime.sleep(60)")
    until(lambda: limits.usage("web-1", [child.pid]).memory_bytes > 30 * MB)
    assert limits.usage("web-1", [child.pid]).memory_bytes < 60 * MB


@pytest.mark.live
@pytest.mark.root
def test_kill_reaches_what_has_left_the_session_and_remove_is_harmless_before_and_after(limits: Limits, run) -> None:
    child = run("web-1", "import os, time\nif os.fork() == 0: os.setsid()\ntime.sleep(60)")
    procs = limits.create("web-1")[-1]
    until(lambda: len(procs.read_text().split()) == 2)
    limits.remove("web-1")
    assert procs.exists()
    assert limits.usage("web-1", [child.pid]).memory_bytes > 0
    limits.kill("web-1")
    assert child.wait(60) == -signal.SIGKILL
    until(lambda: not procs.read_text().split())
    limits.remove("web-1")
    assert not procs.exists()
    limits.remove("web-1")
    limits.kill("web-1")
    limits.apply("web-1", SMALL)
    assert limits.enforced


@pytest.mark.live
@pytest.mark.root
def test_cleanup_kills_what_a_lost_control_plane_left_but_not_what_is_kept(limits: Limits, run) -> None:
    kept, lost = run("web-1", "import time; time.sleep(60)"), run("web-2", "import time; time.sleep(60)")
    later = detect(application=f"test-{os.getpid()}")
    later.cleanup(keep={"web-1"})
    assert lost.wait(60) == -signal.SIGKILL
    assert kept.poll() is None


@pytest.mark.live
@pytest.mark.root
def test_close_leaves_what_runs_and_nothing_else(limits: Limits, run) -> None:
    child = run("web-1", "import time; time.sleep(60)")
    running, ended = limits.create("web-1"), limits.create("web-2")
    until(lambda: bool(running[-1].read_text()))
    limits.close()
    assert all(procs.exists() for procs in running)
    assert not any(procs.exists() for procs in ended)
    assert limits.usage("web-1", [child.pid]).memory_bytes > 0
    limits.kill("web-1")
    child.wait(60)
    until(lambda: not running[-1].read_text())
    limits.close()
    assert not any(procs.parent.parent.exists() for procs in running)


@pytest.mark.live
def test_without_cgroups_the_session_is_measured() -> None:
    limits = Limits(None, "no reason")
    program = f"import os\nx = b'1' * (20 << 20)\nos.fork()\n{BURN}"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", program], start_new_session=True)
    try:
        until(lambda: limits.usage("web-1", [child.pid]).cpu_s > 0.2)
        until(lambda: limits.usage("web-1", [child.pid]).memory_bytes > 40 * MB)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    assert limits.create("web-1") == ()
    limits.apply("web-1", SMALL)
    limits.boost("web-1", SMALL)
    limits.kill("web-1")
    limits.remove("web-1")
    limits.cleanup()
    assert not limits.oom_kills("web-1")
    assert limits.describe() == "CPU and memory limits are measured only, not enforced: no reason"


# --- version 2, on files ---------------------------------------------------------------------------------------------

V2_FILES = {
    "cgroup.procs": "",
    "cpu.max": "max 100000",
    "cpu.max.burst": "0",
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
    "memory.current": "5000",
    "memory.events": "low 0\noom 1\noom_kill 0\noom_group_kill 0\n",
    "memory.max": "max",
    "memory.oom.group": "0",
    "memory.stat": "anon 1000\ninactive_anon 7\ninactive_file 1500\nactive_file 9\n",
    "memory.swap.max": "max",
}


def fill(directory: Path, files: dict[str, str]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    return directory


def v2_group(directory: Path) -> Path:
    return fill(
        directory,
        {"cgroup.controllers": "cpu io memory pids", "cgroup.subtree_control": "cpu memory", "cgroup.procs": ""},
    )


def v2_tree(root: Path, where: str = "") -> Path:
    base = v2_group(root / where)
    fill(base / f"flyball-app/try-{os.getpid()}", V2_FILES)
    v2_group(base / "flyball-app")
    return fill(base / "flyball-app" / "web-1", V2_FILES)


def texts(directory: Path, *names: str) -> list[str]:
    return [(directory / name).read_text() for name in names]


def test_v2_writes_quota_burst_and_memory(tmp_path: Path) -> None:
    instance = v2_tree(tmp_path)
    limits = detect(tmp_path, application="app", membership=tmp_path / "none")
    assert limits.describe() == f"CPU shares and memory limits are enforced by cgroup v2 in {tmp_path}/flyball-app"
    assert limits.create("web-1") == (instance / "cgroup.procs",)
    assert texts(instance, "memory.oom.group", "memory.swap.max") == ["1", "0"]
    limits.boost("web-1", SMALL)
    assert texts(instance, "cpu.max", "cpu.max.burst", "memory.max") == ["100000 100000", "0", str(64 * MB)]
    limits.apply("web-1", SMALL)
    assert texts(instance, "cpu.max", "cpu.max.burst") == ["25000 100000", "25000"]
    limits.apply("web-1", Size(cpu=2, memory_bytes=MB, burst=False))
    assert texts(instance, "cpu.max", "cpu.max.burst", "memory.max") == ["200000 100000", "0", str(MB)]
    limits.apply("web-1", Size(cpu=0.001))
    assert texts(instance, "cpu.max") == ["1000 100000"]


def test_v2_reads_usage_through_kept_files(tmp_path: Path) -> None:
    instance = v2_tree(tmp_path)
    limits = detect(tmp_path, application="app", membership=tmp_path / "none")
    usage = limits.usage("web-1", [])
    assert (usage.cpu_s, usage.memory_bytes) == (2.5, 3500)
    (instance / "cpu.stat").write_text("usage_usec 3500000\n")
    assert limits.usage("web-1", []).cpu_s == 3.5
    assert not limits.oom_kills("web-1")
    (instance / "memory.events").write_text("oom 1\noom_kill 2\n")
    assert limits.oom_kills("web-1")


def test_v2_kills_through_the_switch_where_there_is_one(tmp_path: Path) -> None:
    instance = v2_tree(tmp_path)
    (instance / "cgroup.kill").write_text("")
    limits = detect(tmp_path, application="app", membership=tmp_path / "none")
    limits.kill("web-1")
    assert texts(instance, "cgroup.kill") == ["1"]


def test_v2_of_a_user_is_found_in_the_topmost_cgroup_that_is_writable_and_found_again(tmp_path: Path) -> None:
    root, own = tmp_path / "root", tmp_path / "self"
    fill(root, {"cgroup.controllers": "cpu memory"})  # no cgroup.procs: not writable for us
    v2_tree(root, "user@1000.service")
    v2_group(root / "user@1000.service" / "app.slice" / "terminal.scope")
    v2_group(root / "user@1000.service" / "app.slice")
    own.write_text("1:cpu:/x\n0::/user@1000.service/app.slice/terminal.scope\n")
    record = tmp_path / "record"
    limits = detect(root, application="app", membership=own, record=record)
    assert f"in {root}/user@1000.service/flyball-app" in limits.describe()
    own.write_text("0::/elsewhere\n")
    assert detect(root, application="app", membership=own, record=record).describe() == limits.describe()
    assert not detect(root, application="app", membership=own).enforced
    record.write_text(str(tmp_path / "gone"))
    own.write_text("0::/user@1000.service\n")
    assert detect(root, application="app", membership=own, record=record).describe() == limits.describe()
    assert record.read_text() == f"{root}/user@1000.service"


def test_v2_hands_out_controllers_where_they_are_not_yet(tmp_path: Path) -> None:
    v2_tree(tmp_path)
    for directory in (tmp_path, tmp_path / "flyball-app"):
        (directory / "cgroup.subtree_control").write_text("")
    assert detect(tmp_path, application="app", membership=tmp_path / "none").enforced
    for directory in (tmp_path, tmp_path / "flyball-app"):
        assert texts(directory, "cgroup.subtree_control") == ["+cpu +memory +pids"]


def test_v2_empties_our_own_cgroup_before_it_gives_up(tmp_path: Path) -> None:
    v2_tree(tmp_path)
    (tmp_path / "cgroup.subtree_control").unlink()
    (tmp_path / "cgroup.subtree_control").symlink_to("/proc/version")  # can be read but not written
    (tmp_path / "cgroup.procs").write_text("11\n22\n")
    (tmp_path / "self").write_text("0::/\n")
    limits = detect(tmp_path, application="app", membership=tmp_path / "self")
    assert "the system refuses" in limits.describe()
    assert texts(tmp_path / "flyball-others", "cgroup.procs") == ["22"]


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_system_without_cgroups_is_told_in_one_sentence(tmp_path: Path) -> None:
    limits = detect(tmp_path, application="app")
    assert not limits.enforced
    assert limits.describe().endswith(f"not enforced: no cgroups with cpu and memory are mounted in {tmp_path}")


@pytest.mark.live
@pytest.mark.root
def test_a_user_without_rights_gets_measures_and_the_reason() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(writer, detect(application=f"test-{os.getpid()}").describe().encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    assert said.startswith("CPU and memory limits are measured only, not enforced: ")
    assert "ermission denied" in said or "may not write" in said or "no cgroups" in said


def test_a_user_without_delegation_is_told_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path, {"cgroup.controllers": "cpu memory"})
    limits = detect(tmp_path, application="app", membership=tmp_path / "none")
    assert "this user may not write" in limits.describe()
    assert "systemd-run --user --scope -p Delegate=yes" in limits.describe()


def test_nothing_is_promised_that_does_not_work(tmp_path: Path) -> None:
    v2_tree(tmp_path)
    procs = tmp_path / "flyball-app" / f"try-{os.getpid()}" / "cgroup.procs"
    procs.unlink()
    procs.mkdir()
    limits = detect(tmp_path, application="app", membership=tmp_path / "none")
    assert "the system refuses to move processes" in limits.describe()


def test_a_refusal_at_run_time_is_said_once_and_measuring_goes_on(tmp_path: Path, capsys) -> None:
    instance = v2_tree(tmp_path)
    limits = detect(tmp_path, application="app", membership=tmp_path / "none")
    (instance / "memory.max").unlink()
    (instance / "memory.max").mkdir()
    limits.apply("web-1", SMALL)
    limits.apply("web-1", SMALL)
    limits.boost("web-1", SMALL)
    assert not limits.enforced
    assert "measured only, not enforced: the system refuses" in limits.describe()
    assert limits.create("web-2") == ()
    assert limits.usage("web-1", []).cpu_s == 2.5
    printed = capsys.readouterr()
    assert (printed.out + printed.err).count("measured only") == 1


def test_v1_without_unified_uses_cpuacct_and_kills_one_by_one(tmp_path: Path) -> None:
    fill(tmp_path / "cpu" / "web-1", {"cpu.cfs_period_us": "", "cpu.cfs_quota_us": "", "cpu.cfs_burst_us": ""})
    fill(
        tmp_path / "memory" / "web-1",
        {
            "memory.limit_in_bytes": "",
            "memory.memsw.limit_in_bytes": "",
            "memory.usage_in_bytes": "9000",
            "memory.stat": "inactive_file 1\ntotal_inactive_file 4000\n",
            "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        },
    )
    fill(tmp_path / "cpuacct" / "web-1", {"cpuacct.usage": "1500000000"})
    hierarchy = Version1(cpu=tmp_path / "cpu", memory=tmp_path / "memory", cpuacct=tmp_path / "cpuacct")
    limits = Limits(hierarchy)
    limits.apply("web-1", SMALL)
    assert texts(tmp_path / "cpu" / "web-1", "cpu.cfs_quota_us", "cpu.cfs_burst_us") == ["25000", "25000"]
    assert (
        texts(tmp_path / "memory" / "web-1", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        == [str(64 * MB)] * 2
    )
    usage = limits.usage("web-1", [])
    assert (usage.cpu_s, usage.memory_bytes) == (1.5, 5000)
    assert limits.oom_kills("web-1")
    child = subprocess.Popen(["/bin/sleep", "60"])
    procs = tmp_path / "memory" / "web-1" / "cgroup.procs"
    procs.write_text(f"{child.pid}\n")
    limits.kill("web-1")
    assert child.wait(60) == -signal.SIGKILL


def test_files_kept_open_are_bounded_and_closed(tmp_path: Path) -> None:
    def opened() -> int:
        return len([link for link in Path("/proc/self/fd").iterdir() if str(tmp_path) in os.path.realpath(link)])

    files = Files()
    for number in range(700):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cpu.stat").write_text(str(number))
        assert files.read(f"{tmp_path}/{number}/cpu.stat") == str(number).encode()
    assert opened() == 600
    for number in range(500):
        files.forget(tmp_path / str(number))
    assert opened() == 100
    files.close()
    assert opened() == 0


def test_count_finds_whole_names_at_line_starts() -> None:
    text = b"oom 1\noom_kill 22\nx oom_group 3\n"
    assert [count(text, name) for name in (b"oom", b"oom_kill", b"oom_group", b"kill")] == [1, 22, 0, 0]


def test_version_2_is_one_directory(tmp_path: Path) -> None:
    assert Version2(tmp_path).applications == (tmp_path,)
