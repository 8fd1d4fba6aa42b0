"""The control plane's share of a core, with 10 and 100 instances that serve and have nothing to do.

python -m benchmarks.control_plane [COUNT ...]

`flyball up -d` starts real instances (each the smallest possible process), then the CPU time of the control plane, and
of the balancer beside it, is read twice, `--seconds` apart. Datapoints are a second long, as by default.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.harness import Figures, arguments, medians, save, say, show, tree_cpu_s
from benchmarks.product import application, flyball, processes

from flyball.local.process.ports import free_port

MANIFEST = """
name = "idle"
[services.web]
run = {run!r}
routes = ["/"]
health = "/"
size = {{ cpu = 0.01, memory = "64MB" }}
instances = {{ min = {count}, max = {count} }}
[services.web.scale]
target = {{ cpu = 50 }}
"""
SETTLE_S = 5.0


def main() -> None:
    parser = arguments(__doc__, runs=3, seconds=20)
    parser.add_argument("counts", nargs="*", type=int, default=[10, 100])
    options = parser.parse_args()
    samples = {f"{n} instances": measure(n, runs=options.runs, seconds=options.seconds) for n in options.counts}
    show("Idle: share of one core, in percent", samples)
    if options.save:
        save("control_plane", {"medians": medians(samples), "samples": samples})


def measure(count: int, *, runs: int, seconds: float) -> list[Figures]:
    """Start so many instances, let the start settle, and read."""
    run = f"{sys.executable} -I -S {Path(__file__).with_name('tiny_instance.py')}"
    with application(None, MANIFEST.format(run=run, count=count)) as (_, directory):
        say(f"starting {count} instances")
        flyball(directory, "up", "-d", "--port", str(free_port()))
        said = processes(directory)
        serving = said["services"][0]["capacity"]["in_service"]
        if serving != count:
            raise SystemExit(f"{serving} of {count} instances serve")
        time.sleep(SETTLE_S)
        taken = [_shares(said["control"]["pid"], said["balancer"]["pid"], seconds) for _ in range(runs)]
        say(f"  control plane {median(one['control plane'] for one in taken):.2f} %")
        return taken


def _shares(control: int, balancer: int, seconds: float) -> Figures:
    began, before = time.monotonic(), (_alone(control), _alone(balancer))
    time.sleep(seconds)
    after, lasted = (_alone(control), _alone(balancer)), time.monotonic() - began
    shares = [100 * (b - a) / lasted for a, b in zip(before, after, strict=True)]
    return {"control plane": shares[0], "balancer": shares[1]}


def _alone(pid: int) -> float:
    used = tree_cpu_s(pid)
    if not used:
        raise SystemExit(f"process {pid} is gone")
    return used


if __name__ == "__main__":
    main()
