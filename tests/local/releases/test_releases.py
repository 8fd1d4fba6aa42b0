"""Releases: fingerprints, immutable copies, builds that leave nothing half, command lines."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240 - a test may block its own loop

import asyncio
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import service
from flyball.core.control.state import State
from flyball.core.errors import Failed, FileError
from flyball.local.process import environments, processes
from flyball.local.record.journal import Journal
from flyball.local.releases import builds, source
from flyball.local.releases.specs import Specs
from waiting import soon, until


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tree(tmp_path / "app", {"board.py": "print('hello')\n", "static/style.css": "a {}\n"})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "releases"


# --- source ----------------------------------------------------------------------------------------------------------


def test_a_fingerprint_depends_on_names_contents_executable_bits_and_links_only(app: Path, tmp_path: Path) -> None:
    first = source.fingerprint(app)
    shutil.copytree(app, tmp_path / "copy")
    os.utime(tmp_path / "copy" / "board.py", (0, 0))
    assert source.fingerprint(tmp_path / "copy") == first
    seen = {first}
    for change in (
        lambda: (app / "board.py").write_text("print('hallo')\n"),
        lambda: (app / "board.py").rename(app / "main.py"),
        lambda: (app / "main.py").chmod(0o755),
        lambda: (app / "link").symlink_to("main.py"),
        lambda: tree(app, {"empty": ""}),
    ):
        change()
        seen.add(source.fingerprint(app))
    assert len(seen) == 6


def test_a_sparse_file_is_read_in_pieces_and_its_copy_has_the_same_holes(app: Path, kept: Path) -> None:
    with (app / "large.bin").open("wb") as file:
        file.seek(300 << 20)
        file.write(b"in the middle")
        file.truncate(600 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    content = builds.snapshot(app, kept)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # in KB, on Linux
    copied = kept / "content" / content / "source" / "large.bin"
    assert (copied.stat().st_size, copied.stat().st_blocks * 512 < 1 << 20) == (600 << 20, True)
    with copied.open("rb") as file:
        file.seek(300 << 20)
        assert file.read(13) == b"in the middle"


def test_what_tools_made_is_left_out(app: Path) -> None:
    before = source.fingerprint(app)
    tree(app, {".git/HEAD": "x", ".flyball/journal.db": "x", ".venv/pyvenv.cfg": "x", "env/pyvenv.cfg": "x"})
    tree(app, {"static/__pycache__/board.cpython-311.pyc": "x", "old.pyc": "x", "env/lib/x.py": "x"})
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(app / "door"))
        assert source.fingerprint(app) == before


def test_node_modules_belong_to_the_source_unless_a_build_makes_them(app: Path) -> None:
    before = source.fingerprint(app)
    tree(app, {"node_modules/left-pad/index.js": "x"})
    assert source.fingerprint(app) != before
    assert source.fingerprint(app, built=True) == before


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "static/../../outside", "up/../outside"])
def test_a_link_out_of_the_tree_is_refused_and_named(app: Path, target: str) -> None:
    (app / "static" / "up").symlink_to("..")
    (app / "static" / "secret").symlink_to(target if target.startswith("/") else f"../{target}")
    if target == "up/../outside":
        (app / "static" / "secret").unlink()
        (app / "static" / "secret").symlink_to("up/../outside")
    with pytest.raises(FileError, match=r"secret is a link to .* out of the source"):
        source.fingerprint(app)


def test_a_source_that_is_no_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is not a directory"):
        source.fingerprint(tmp_path / "none")


# --- snapshots -------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_an_immutable_copy_made_once(app: Path, kept: Path) -> None:
    (app / "run.sh").write_text("#!/bin/sh\n")
    (app / "run.sh").chmod(0o750)
    (app / "static" / "current.css").symlink_to("style.css")
    content = builds.snapshot(app, kept)
    copy = kept / "content" / content / "source"
    assert source.fingerprint(copy) == content == source.fingerprint(app)
    assert stat.S_IMODE((copy / "board.py").stat().st_mode) == 0o444
    assert stat.S_IMODE((copy / "run.sh").stat().st_mode) == 0o555
    assert (copy / "static" / "current.css").is_symlink()
    inode = copy.stat().st_ino
    assert builds.snapshot(app, kept) == content
    assert copy.stat().st_ino == inode
    (app / "board.py").write_text("changed\n")
    assert builds.snapshot(app, kept) != content
    assert (copy / "board.py").read_text() == "print('hello')\n"
    assert not list((kept / "content").glob(".new-*"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False, capture_output=True
    )
    if not mounted or mounted.returncode != 0:
        pytest.skip("needs root to mount a tiny tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.root
@pytest.mark.live
async def test_a_full_disk_is_a_clear_error_and_leaves_nothing(app: Path, small_disk: Path, tmp_path: Path) -> None:
    (app / "big").write_bytes(os.urandom(200_000))
    with pytest.raises(Failed, match="No space left on device"):
        builds.snapshot(app, small_disk)
    assert not list(small_disk.glob("content/*"))
    (app / "big").write_bytes(os.urandom(30_000))
    content = builds.snapshot(app, small_disk)
    with pytest.raises(Failed, match=r"cannot be built in .*: No space left on device"):
        await builds.build(content, None, releases=small_disk, environment={}, log=tmp_path / "log")
    assert not list(small_disk.glob("builds/*/app"))


# --- builds ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def build(app: Path, kept: Path, tmp_path: Path):
    async def run(command: str | None, **keywords) -> builds.BuildResult:
        content = builds.snapshot(app, kept)
        keywords = {"environment": {}, "log": tmp_path / "build.log", **keywords}
        return await builds.build(content, command, releases=kept, **keywords)

    return run


@pytest.mark.live
async def test_a_build_runs_once_in_a_copy_of_its_own(build, app: Path, kept: Path, tmp_path: Path) -> None:
    command = "echo $GREETING > made && date +%N >> ../runs"
    result = await build(command, environment={"GREETING": "hi"})
    assert (result.succeeded, result.message) == (True, "")
    assert result.directory == builds.directory(builds.snapshot(app, kept), command, releases=kept)
    assert (result.directory / "made").read_text() == "hi\n"
    assert stat.S_IMODE((result.directory / "board.py").stat().st_mode) == 0o444
    assert not (app / "made").exists()
    assert await build(command, environment={"GREETING": "hi"}) == result
    assert len((result.directory.parent / "runs").read_text().splitlines()) == 1
    assert (tmp_path / "build.log").read_text() == f"$ {command}\n"


@pytest.mark.live
async def test_bytecode_is_compiled_and_broken_files_do_not_matter(build, app: Path) -> None:
    tree(app, {"template.py": "{{ this is none }}\n"})
    result = await build(None)
    assert result.succeeded
    assert list(result.directory.glob("__pycache__/board.*.pyc"))


@pytest.mark.live
async def test_a_failed_build_says_its_last_line_and_leaves_nothing(build, kept: Path, tmp_path: Path) -> None:
    result = await build("touch half && echo 'error: no such package' >&2 && exit 3")
    assert (result.succeeded, result.message) == (False, "the build failed (exit code 3): error: no such package")
    assert not list(kept.glob("builds/*/"))
    silent = await build("exit 4")
    assert silent.message == "the build failed (exit code 4): it printed nothing"
    assert (await build("true")).succeeded
    assert "error: no such package" in (tmp_path / "build.log").read_text()


@pytest.mark.live
async def test_a_build_that_does_not_end_is_stopped_with_all_it_started(build, tmp_path: Path, kept: Path) -> None:
    result = await build(f"sleep 100 & echo $! > {tmp_path}/pid; wait", timeout_s=0.5)
    assert (result.succeeded, result.message) == (False, "the build was stopped after 0.5 s")
    child = processes.identify(int((tmp_path / "pid").read_text()))
    until(lambda: child is None or not processes.alive(child))
    assert not list(kept.glob("builds/*/"))


@pytest.mark.live
async def test_a_cancelled_build_leaves_nothing(build, tmp_path: Path, kept: Path) -> None:
    task = asyncio.create_task(build(f"echo $$ > {tmp_path}/pid; exec sleep 100"))
    await soon(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
    child = processes.identify(int((tmp_path / "pid").read_text()))
    assert child is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not processes.alive(child)
    assert not list(kept.glob("builds/*/"))


@pytest.mark.live
async def test_a_build_that_is_cancelled_while_its_source_is_copied_leaves_nothing(
    build, app: Path, kept: Path
) -> None:
    tree(app, {f"deep/{number}/{number}": "x" for number in range(1000)})
    task = asyncio.create_task(build("true"))
    await soon(lambda: list(kept.glob("builds/*/app")), every_s=0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not list(kept.glob("builds/*/"))


@pytest.mark.live
async def test_the_build_of_a_killed_control_plane_is_ended_and_done_again(build, kept: Path, app: Path) -> None:
    home = builds.directory(builds.snapshot(app, kept), "echo new > made", releases=kept).parent
    tree(home, {"app/made": "half\n", "content": "x"})
    lost = subprocess.Popen(["/bin/sleep", "100"], start_new_session=True)
    found = processes.identify(lost.pid)
    assert found is not None
    processes.save(home / "process.json", found)
    result = await build("echo new > made")
    assert lost.wait(60) == -9
    assert (result.directory / "made").read_text() == "new\n"


@pytest.mark.live
async def test_equal_builds_at_once_run_once(build, tmp_path: Path) -> None:
    command = f"echo run >> {tmp_path}/runs; sleep 0.3"
    results = await asyncio.gather(*(build(command) for _ in range(3)))
    assert {result.succeeded for result in results} == {True}
    assert (tmp_path / "runs").read_text() == "run\n"


@pytest.mark.live
async def test_collect_leaves_a_build_that_is_under_way_alone(build, kept: Path) -> None:
    building = asyncio.create_task(build("sleep 0.5; echo done > made"))
    found = await soon(lambda: list(kept.glob("builds/*/process.json")))
    (found[0].parent / "content").write_text("")  # as it is in the moment before it is written
    await asyncio.to_thread(builds.collect, kept, ())
    result = await building
    assert result.succeeded, result.message
    assert (result.directory / "made").read_text() == "done\n"


@pytest.mark.live
async def test_a_virtual_environment_works_where_it_was_made_and_uv_is_there(build, app: Path) -> None:
    result = await build("uv venv -q && .venv/bin/python -c 'import sys; print(sys.prefix)' > prefix")
    assert result.succeeded, result.message
    assert (result.directory / "prefix").read_text().strip() == str(result.directory / ".venv")
    argv = environments.run_command("python board.py", directory=result.directory, environment={"PATH": "/usr/bin"})
    assert argv[0] == str(result.directory / ".venv" / "bin" / "python")
    assert subprocess.run(argv, cwd=result.directory, capture_output=True, check=True).stdout == b"hello\n"


async def test_a_source_that_is_not_kept_cannot_be_built(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="is not kept here any more"):
        await builds.build("f" * 64, None, releases=kept, environment={}, log=tmp_path / "log")


@pytest.mark.live
async def test_collect_keeps_what_is_used_and_the_last_five(build, app: Path, kept: Path) -> None:
    contents = []
    for number in range(8):
        (app / "board.py").write_text(f"{number}\n")
        contents.append(builds.snapshot(app, kept))
        os.utime(kept / "content" / contents[-1], (number, number))
        await build("true")
        os.utime(kept / "content" / contents[-1], (number, number))
    tree(kept / "content" / ".new-lost", {"x": ""})
    os.utime(kept / "content" / ".new-lost", (0, 0))
    assert sorted(builds.collect(kept, {contents[1]})) == sorted([contents[0], contents[2]])
    assert {path.name for path in (kept / "content").iterdir()} == {contents[1], *contents[3:]}
    assert {path.read_text() for path in kept.glob("builds/*/content")} == {contents[1], *contents[3:]}
    assert len(list(kept.glob("builds/*.lock"))) <= 6


async def test_the_sources_of_a_push_stay_until_it_has_made_its_releases(kept: Path, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    specs = Specs(tmp_path, kept, journal, state=lambda: State(origin=0.0, services=()))
    services = [service(f"s{number}") for number in range(8)]
    sources = [tree(tmp_path / one.name, {"main.py": one.name}) for one in services]
    asked = (specs.make(one, source) for one, source in zip(services, sources, strict=True))
    made = await asyncio.gather(*asked)
    journal.close()
    assert [one.content for one in made if not (kept / "content" / one.content).exists()] == []


# --- command lines ---------------------------------------------------------------------------------------------------

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "PORT": "8000", "NAME": "two words"}


def command(run: str, directory: Path) -> list[str]:
    return environments.run_command(run, directory=directory, environment=ENVIRONMENT)


@pytest.mark.parametrize(
    ("run", "arguments"),
    [
        ("sh -p $PORT", ["-p", "8000"]),
        ("sh --port=${PORT}0", ["--port=80000"]),
        ("sh '$NAME' \"$NAME\" $NAME", ["two words"] * 3),
        ("sh 'a b' c\\ d", ["a b", "c d"]),
        ("sh $$HOME 5$ $1", ["$HOME", "5$", "$1"]),
        ("sh -c 'a && b'", ["-c", "a && b"]),
    ],
)
def test_words_are_split_and_variables_filled_without_a_shell(tmp_path: Path, run: str, arguments: list[str]) -> None:
    assert command(run, tmp_path)[1:] == arguments


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("sh $POTR", r"uses \$POTR, but there is no such variable"),
        ("sh 'open", "no closing quotation"),
        ("", "run is empty"),
        ("sh a && sh b", "not a shell command: for '&&'"),
        ("no-such-program x", "program not found: no-such-program"),
        ("./missing.sh", r"program not found: \./missing\.sh"),
        ("./plain.txt", r"plain\.txt is not executable"),
    ],
)
def test_a_wrong_command_line_is_refused_before_anything_starts(tmp_path: Path, run: str, message: str) -> None:
    (tmp_path / "plain.txt").write_text("x")
    with pytest.raises(Failed, match=message):
        command(run, tmp_path)


def test_programs_of_the_release_come_first(tmp_path: Path) -> None:
    for place in ("node_modules/.bin", ".venv/bin"):
        tree(tmp_path, {f"{place}/sh": "#!/bin/sh\n"})
        (tmp_path / place / "sh").chmod(0o755)
        assert command("sh", tmp_path) == [str(tmp_path / place / "sh")]
    tree(tmp_path, {"bin/run.sh": "#!/bin/sh\n"})
    (tmp_path / "bin" / "run.sh").chmod(0o755)
    assert command("bin/run.sh", tmp_path) == [str(tmp_path / "bin" / "run.sh")]
    assert command("/bin/sh", tmp_path) == ["/bin/sh"]


def test_an_instance_gets_its_own_variables_and_few_of_the_callers(tmp_path: Path) -> None:
    caller = {
        "PATH": f"{sys.prefix}/bin:/usr/bin", "HOME": "/home/ann", "LC_ALL": "C.UTF-8", "AWS_SECRET_ACCESS_KEY": "s",
        "PYTHONDONTWRITEBYTECODE": "1", "VIRTUAL_ENV": "/x", "PORT": "1", "HTTPS_PROXY": "http://proxy",
    }  # fmt: skip
    found = environments.environment(
        port=12345, instance="web-1", application="board", application_id="board-1", service="web", release=7,
        zone="a", url="http://127.0.0.1:8080", stores={"MESSAGES_URL": "sqlite:///x"},
        own={"GREETING": "hi", "PORT": "2"}, directory=tmp_path, caller=caller,
    )  # fmt: skip
    assert found == {
        "PATH": f"{tmp_path}/.venv/bin:{tmp_path}/node_modules/.bin:/usr/bin", "HOME": "/home/ann",
        "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1", "GREETING": "hi", "MESSAGES_URL": "sqlite:///x",
        "PORT": "12345", "HOST": "127.0.0.1", "FLYBALL_APPLICATION": "board", "FLYBALL_APPLICATION_ID": "board-1",
        "FLYBALL_INSTANCE": "web-1", "FLYBALL_RELEASE": "7", "FLYBALL_SERVICE": "web",
        "FLYBALL_URL": "http://127.0.0.1:8080", "FLYBALL_ZONE": "a",
    }  # fmt: skip
