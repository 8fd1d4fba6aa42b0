"""The state directory: short socket paths, privacy, versions."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flyball.core.errors import Failed, FileError
from flyball.local.paths import StateDirectory


@pytest.fixture
def state_in() -> Iterator[Callable[[Path], StateDirectory]]:
    """Make a StateDirectory; its sockets, which may lie outside, are removed after the test."""
    made: list[StateDirectory] = []

    def make(root: Path) -> StateDirectory:
        made.append(StateDirectory(root))
        return made[-1]

    yield make
    for state in made:
        if state.sockets.is_dir():
            state.sockets.rmdir()


def test_create_makes_private_directories_and_is_harmless_twice(tmp_path: Path, state_in) -> None:
    state = state_in(tmp_path / "app" / ".flyball")
    state.create()
    (state.stores / "kept").touch()
    state.create()
    assert (state.stores / "kept").exists()
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700
    assert (state.root / "version").read_text() == "1\n"
    assert (state.root / ".gitignore").read_text() == "*\n"
    for directory in (state.xds, state.logs, state.releases, state.stores, state.processes, state.sockets):
        assert directory.is_dir()


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_socket_paths_fit_into_100_bytes_however_deep_the_application_lies(
    tmp_path: Path, state_in, depth: int
) -> None:
    root = tmp_path.joinpath(*["a rather long name för a directory"] * depth, ".flyball")
    state = state_in(root)
    state.create()
    assert len(os.fsencode(state.sockets / ("x" * 29))) <= 100
    assert stat.S_IMODE(state.sockets.stat().st_mode) == 0o700
    assert StateDirectory(root).sockets == state.sockets


def test_the_socket_directory_is_recorded_so_that_another_tmpdir_finds_it(tmp_path: Path, state_in) -> None:
    state = state_in(tmp_path.joinpath(*["a rather long name"] * 5, ".flyball"))
    state.create()
    recorded = Path((state.root / "sockets").read_text())
    assert recorded == state.sockets
    recorded.rmdir()
    elsewhere = tmp_path / "s"
    (state.root / "sockets").write_text(str(elsewhere))
    assert state.sockets == elsewhere


def test_what_is_written_already_is_left_alone_while_another_command_may_read_it(tmp_path: Path, state_in) -> None:
    state = state_in(tmp_path.joinpath(*["a rather long name"] * 5, ".flyball"))
    state.create()
    written = [state.root / name for name in (".gitignore", "sockets", "version")]
    for file in written:
        os.utime(file, (0, 0))
    state.create()
    assert [file.stat().st_mtime for file in written] == [0, 0, 0]
    assert {file.name for file in state.root.iterdir() if file.is_file()} == {".gitignore", "sockets", "version"}


def test_a_socket_directory_outside_is_taken_away_with_its_sockets(tmp_path: Path, state_in) -> None:
    state = state_in(tmp_path.joinpath(*["a rather long name"] * 5, ".flyball"))
    state.create()
    directory = state.sockets
    (directory / "envoy.sock").touch()
    state.remove_sockets()
    assert not directory.exists()
    assert not (state.root / "sockets").exists()
    state.remove_sockets()
    state.create()
    (directory / "mine").touch()
    state.remove_sockets()
    assert [path.name for path in directory.iterdir()] == ["mine"]
    (directory / "mine").unlink()


def test_a_socket_directory_inside_stays() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="short-") as short:
        state = StateDirectory(Path(short) / ".flyball")
        state.create()
        state.remove_sockets()
        assert state.sockets == Path(short) / ".flyball" / "run"
        assert state.sockets.is_dir()


def test_a_socket_directory_that_somebody_else_made_is_refused(tmp_path: Path, state_in) -> None:
    state = state_in(tmp_path.joinpath(*["a rather long name"] * 5, ".flyball"))
    state.sockets.symlink_to(tmp_path)
    try:
        with pytest.raises(FileError, match="belongs to somebody else"):
            state.create()
    finally:
        state.sockets.unlink()


def test_two_checkouts_of_one_application_are_told_apart(tmp_path: Path, state_in) -> None:
    one, two = StateDirectory(tmp_path / "one" / ".flyball"), StateDirectory(tmp_path / "two" / ".flyball")
    assert one.application_id("board").startswith("board-")
    assert one.application_id("board") != two.application_id("board")
    assert one.application_id("board") == StateDirectory(one.root).application_id("board")


def test_a_newer_version_is_refused_and_left_alone(tmp_path: Path, state_in) -> None:
    state = state_in(tmp_path / ".flyball")
    state.create()
    (state.root / "version").write_text("2\n")
    with pytest.raises(FileError, match=r"written by a newer flyball \(format 2, this one reads 1\)"):
        state.create()
    assert (state.root / "version").read_text() == "2\n"


def test_a_version_that_is_no_number_is_refused(tmp_path: Path, state_in) -> None:
    state = state_in(tmp_path / ".flyball")
    state.create()
    (state.root / "version").write_text("one")
    with pytest.raises(FileError, match="holds 'one', not a format number"):
        state.check_version()
    (state.root / "version").unlink()
    (state.root / "version").mkdir()
    with pytest.raises(FileError, match="cannot be read"):
        state.check_version()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, state_in) -> None:
    state = state_in(tmp_path / ".flyball")
    state.root.mkdir()
    state.logs.write_text("")
    with pytest.raises(Failed, match=r"\.flyball cannot be made: File exists"):
        state.create()
