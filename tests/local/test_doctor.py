"""The doctor looks at this machine, and says what is missing on others."""

import resource
import sys
from pathlib import Path

import pytest

from flyball.local import doctor


@pytest.mark.live
def test_this_machine_is_looked_at_completely_and_nothing_is_left_behind(tmp_path: Path) -> None:
    found = doctor.checks(tmp_path)
    assert [check.name for check in found] == [
        "Python", "Envoy", "limits", "boundary", "Redis", "uv", "git", "ports", "open files", "disk", "clock",
    ]  # fmt: skip
    by_name = {check.name: check for check in found}
    for name in ("Python", "Envoy", "limits", "uv"):
        assert by_name[name].ok, by_name[name]
    assert by_name["Envoy"].detail.count(".") == 2
    assert all(check.detail for check in found)
    assert not list(Path("/sys/fs/cgroup").glob("*/flyball-doctor-*"))


def test_an_old_python_is_named() -> None:
    check = doctor.python((3, 10, 4))
    assert not check.ok
    assert check.detail.startswith("3.10.4 at ")
    assert "3.11" in check.remedy


def test_an_envoy_that_does_not_run_is_named(tmp_path: Path) -> None:
    check = doctor.balancer(tmp_path / "envoy")
    assert not check.ok
    assert "No such file" in check.detail
    (tmp_path / "envoy").write_text("#!/bin/sh\necho 'GLIBC_2.31 not found' >&2; exit 1\n")
    (tmp_path / "envoy").chmod(0o755)
    assert "GLIBC_2.31 not found" in doctor.balancer(tmp_path / "envoy").detail


def test_missing_limits_are_no_failure(tmp_path: Path) -> None:
    check = doctor.limits(tmp_path)
    assert check.ok
    assert "measured only" in check.detail


def test_a_redis_server_that_is_not_there_is_named() -> None:
    check = doctor.redis({"PATH": "/nowhere", "FLYBALL_REDIS_SERVER": "/no/such"})
    assert not check.ok
    assert "names /no/such" in check.detail
    assert "only redis stores need it" in check.remedy


def test_a_missing_program_says_what_it_is_for() -> None:
    check = doctor.program("no-such-program", "flying", "buy wings")
    assert check == doctor.Check("no-such-program", False, "not found; it is needed for flying", "buy wings")


@pytest.mark.parametrize(("text", "ok"), [("32768\t60999\n", True), ("1024\t65535\n", False)])
def test_ports_that_outgoing_connections_may_take_are_a_problem(tmp_path: Path, text: str, ok: bool) -> None:
    (tmp_path / "range").write_text(text)
    check = doctor.ports(tmp_path / "range")
    assert check.ok is ok
    assert ok or "from 1024 on" in check.detail


def test_few_open_files_and_a_full_disk_are_problems() -> None:
    unlimited = resource.RLIM_INFINITY
    assert not doctor.open_files(256, 4096).ok
    assert doctor.open_files(1024, unlimited).detail == "1024 (at most unlimited)"
    assert doctor.open_files(unlimited, unlimited).ok
    assert not doctor.disk(10_000_000).ok
    assert doctor.disk(2_000_000_000).detail == "2.0 GB free"


def test_a_clock_that_is_wrong_is_seen() -> None:
    assert doctor.clock().ok
    wrong = doctor.clock(now=0.0)
    assert not wrong.ok
    assert "1970-01-01" in wrong.detail
    assert "apart from the file system's" in wrong.detail


def test_a_program_may_be_elsewhere_than_on_path() -> None:
    check = doctor.program("dmypy", "x", "y", path=str(Path(sys.executable).parent))
    assert check.ok, check.detail
