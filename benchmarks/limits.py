"""What a CPU share costs a request: a quarter of a core, kept 60 % busy by requests of 5 ms that arrive at random.

python -m benchmarks.limits

"none": all cores. "share": 25 ms of every 100 ms, and no more (`burst = false`). "saving": the same, and what was not
used is kept for one slice more, as `up` sets it. Limits are set by the code that `up` uses, so this needs cgroups
that may be written. For root, generator and instance go before other work on the machine, which hides the difference.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from benchmarks.harness import Figures, Missing, arguments, interleaved, medians, save, show, stage

from flyball.core.arrivals import RateCurve
from flyball.core.arrivals import Stage as Load
from flyball.core.model import Size
from flyball.load import Plan, execute
from flyball.local.instances.detect import detect
from flyball.local.instances.limits import Limits
from flyball.local.process.ports import free_port

CPU, BUSY, REQUEST_MS = 0.25, 0.6, 5.0
SETTINGS = ("none", "share", "saving")
INSTANCE = "one"


def main() -> None:
    options = arguments(__doc__, runs=3, seconds=30).parse_args()
    limits = detect(application=f"bench-{os.getpid()}")
    if not limits.enforced:
        raise Missing(f"nothing to measure: {limits.describe()}")
    with suppress(PermissionError):
        os.nice(-20)
    try:
        samples = interleaved(SETTINGS, options.runs, lambda setting: measure(setting, limits, options.seconds))
    finally:
        limits.cleanup()
    show("Latency in ms", samples)
    if options.save:
        save("limits", {"medians": medians(samples), "samples": samples})


def measure(setting: str, limits: Limits, seconds: float) -> Figures:
    """Latency of one fresh instance under one setting."""
    with stage() as here:
        port = free_port()
        url = f"http://127.0.0.1:{port}/"
        argv = [sys.executable, "-S", str(Path(__file__).with_name("burning_instance.py"))]
        settings = {"PORT": str(port), "MS": str(REQUEST_MS)}
        started = here.start("instance", argv, environment=settings, ready=url)
        for procs in limits.create(INSTANCE):
            procs.write_text(str(started.process.pid))
            before_others(procs.parent)
            before_others(procs.parent.parent)
        cores = float(os.cpu_count() or 1) if setting == "none" else CPU
        limits.apply(INSTANCE, Size(cpu=cores, burst=setting == "saving"))
        rate = BUSY * CPU / (REQUEST_MS / 1000)
        result = execute(Plan(url=url, curve=RateCurve(stages=(Load(rate=rate, duration_s=seconds),))))
        if result.stopped:
            raise KeyboardInterrupt
        here.stop(started)
        limits.remove(INSTANCE)
        return {"p50": result.latency_ms.p50 or 0.0, "p99": result.latency_ms.p99 or 0.0}


def before_others(directory: Path) -> None:
    """The largest weight among cgroups that a version knows."""
    for name, weight in (("cpu.shares", 262_144), ("cpu.weight", 10_000)):
        if (directory / name).exists():
            (directory / name).write_text(str(weight))


if __name__ == "__main__":
    main()
