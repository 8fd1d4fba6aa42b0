"""Each benchmark runs through with tiny numbers, and says what it lacks. What they measure is no test."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("nginx", "haproxy", "caddy", "wrk")

pytestmark = pytest.mark.live


def benchmark(name, *words, environment=None):
    return subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def said(done):
    """What a benchmark printed. On a machine that is too busy it rightly gives no figure."""
    if "this machine is too busy" in done.stderr:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return done.stdout


def need(*programs):
    for name in programs:
        if shutil.which(name) is None and shutil.which(name, path="/usr/sbin:/sbin") is None:
            pytest.skip(f"{name} is not installed")


def test_step_time():
    done = benchmark("step_time", "3", "--runs", "2", "--seconds", "0.05")
    assert "One step of the governor" in said(done)


def test_autoscaling(tmp_path):
    pytest.importorskip("numpy")
    rows = [f"{second},{20 if second % 60 < 40 else 60}" for second in range(240)]
    (tmp_path / "waves.csv").write_text("seconds,rate\n" + "\n".join(rows) + "\n")
    (tmp_path / "about.csv").write_text("file,licence\nwaves.csv,MIT\n")
    done = benchmark("autoscaling", str(tmp_path), "--delays", "2")
    assert done.returncode == 0, done.stderr
    assert [line.split()[2] for line in done.stderr.splitlines()[1:]] == [
        "target", "with", "steps", "hpa", "kpa", "adaptive",
    ]  # fmt: skip
    equal = benchmark("autoscaling", str(tmp_path), "--delays", "2", "--equal-hours")
    assert equal.stderr.splitlines()[1].split()[:2] == ["waves", "2"], equal.stderr
    assert "no traces in" in benchmark("autoscaling", str(tmp_path / "nothing")).stderr


def test_generator():
    need("nginx")
    done = benchmark("generator", "rates", "--rates", "200", "--runs", "1", "--seconds", "0.5")
    assert "lag p99 ms" in said(done)


@pytest.mark.parametrize("part", ["bare", "json", "latency"])
def test_balancer(part):
    need(*PROGRAMS)
    done = benchmark("balancer", part, "--runs", "1", "--seconds", "1", "--rate", "100")
    printed = said(done)
    assert all(name in printed for name in ("envoy", "nginx", "haproxy", "caddy"))


def test_control_plane():
    done = benchmark("control_plane", "2", "--runs", "1", "--seconds", "1")
    assert "2 instances" in said(done)


def test_start_time():
    done = benchmark("start_time", "--only", "tiny", "--runs", "1")
    assert "unbuilt" in said(done)


def test_limits():
    done = benchmark("limits", "--runs", "1", "--seconds", "0.5")
    if "nothing to measure" in done.stderr:
        pytest.skip("this machine offers no limits")
    assert done.returncode == 0, done.stderr
    assert "saving" in done.stdout


def test_forum():
    need("wrk")
    done = benchmark("forum", "cpu", "--runs", "1", "--seconds", "1", "--rate", "50")
    assert "read one" in said(done)


def test_a_missing_program_is_named_with_its_package():
    done = benchmark("balancer", "bare", environment={"PATH": ""})
    assert done.returncode != 0
    assert "is not installed; on Debian: apt-get install" in done.stderr


def test_a_plain_application_without_its_runtime_is_skipped_by_name():
    done = benchmark("plain_apps", "--only", "php", environment={"PATH": ""})
    assert "php: skipped: php is not installed; on Debian: apt-get install php-cli" in done.stderr
    assert done.returncode == 0


def test_simulator_beats_its_peers():
    pytest.importorskip("simpy")
    shown = said(benchmark("simulator", "--runs", "1", "--seconds", "0.05", "--no-day"))

    assert "ciw" in shown
    assert "requests/s of a core" in shown
