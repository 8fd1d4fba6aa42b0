"""Which files a room sees: only of what lies behind closed directories anything must be brought."""

import os
from pathlib import Path

import pytest

from flyball.local.process.walls.view import places_of, view


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that nobody else may enter."""
    for above in (tmp_path, *tmp_path.parents):
        if os.access(above, os.W_OK) and above.owner() == Path.home().owner() and above != Path("/"):
            above.chmod(above.stat().st_mode | 0o011)
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    return made


def script(path: Path, first: str = "#!/bin/sh") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(first + "\n")
    path.chmod(0o755)
    return path


def test_what_everybody_may_enter_is_left_as_it_is():
    found = view(Path("/bin/sh"), "/usr/bin:/bin", [Path("/usr")])
    assert found.steps == ()


def test_a_closed_directory_is_covered_and_what_is_needed_brought_before_it(home: Path):
    program = script(home / "tools" / "bin" / "serve")
    release = home / "app" / ".flyball" / "releases" / "1"
    release.mkdir(parents=True)
    found = view(program, "/bin", [release])
    assert found.covered == (home,)
    assert set(found.brought) == {home / "tools", release}


def test_what_lies_in_another_is_brought_once(home: Path):
    release = home / "release"
    found = view(script(release / ".venv" / "bin" / "serve"), f"{release}/.venv/bin:/bin", [release])
    assert found.brought == (release,)


def test_links_interpreters_and_virtual_environments_are_followed(home: Path):
    python = script(home / "python" / "bin" / "python3.11", "binary")
    (home / "python" / "bin" / "python3").symlink_to("python3.11")
    venv = home / "release" / ".venv"
    serve = script(venv / "bin" / "serve", f"#!{venv}/bin/python")
    (venv / "bin" / "python").symlink_to(python)
    (venv / "pyvenv.cfg").write_text(f"home = {home}/python/bin\n")
    assert {venv, home / "python"} <= places_of(serve)


def test_a_program_in_a_home_brings_its_directory_and_not_the_home(home: Path):
    assert places_of(script(home / ".local" / "bin" / "serve")) >= {home / ".local" / "bin"}
    assert home / ".local" not in places_of(home / ".local" / "bin" / "serve")


def test_what_is_not_there_needs_nothing(home: Path):
    assert view(Path("/bin/sh"), f"{home}/missing:", [home / "missing"]).brought == ()


def test_a_closed_directory_in_what_was_brought_is_covered_too(home: Path):
    checkout = home / "checkout"
    state = checkout / "app" / ".flyball"
    release = state / "releases" / "1"
    release.mkdir(parents=True)
    state.chmod(0o700)
    found = view(script(checkout / "bin" / "serve"), "/bin", [release])
    assert found.steps == ((True, home), (False, checkout), (True, state), (False, release))
