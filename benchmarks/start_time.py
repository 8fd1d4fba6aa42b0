"""Time from `flyball up` to the first answer through the balancer: never built before, and built.

python -m benchmarks.start_time

The Visitor Board as it lies in apps/, and a tiny instance without a build. "unbuilt" installs the requirements (uv
keeps downloads on this machine, so after the first run the network is not measured); "built" is the next `up` after
a `down`.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from benchmarks.harness import Figures, Stage, answers, arguments, medians, save, say, show
from benchmarks.product import FLYBALL, application, board

from flyball.local.process.ports import free_port

TINY = """
name = "tiny"
[services.web]
run = {run!r}
routes = ["/"]
health = "/"
"""
LONGEST_S = 300.0


def main() -> None:
    parser = arguments(__doc__, runs=5, seconds=0)
    parser.add_argument("--only", choices=["tiny", "board"])
    options = parser.parse_args()
    tiny = TINY.format(run=f"{sys.executable} -I -S {Path(__file__).with_name('tiny_instance.py')}")
    sources: dict[str, tuple[Path | None, str | None]] = {"tiny": (None, tiny), "board": (board(), None)}
    samples: dict[str, list[Figures]] = {name: [] for name in sources if options.only in {None, name}}
    for turn in range(options.runs):
        for name, taken in samples.items():
            taken.append(measure(*sources[name]))
            say(f"  {turn + 1}/{options.runs} {name}: " + ", ".join(f"{k} {v:.2f}" for k, v in taken[-1].items()))
    show("From `flyball up` to the first answer, in seconds", samples)
    if options.save:
        save("start_time", {"medians": medians(samples), "samples": samples})


def measure(source: Path | None, manifest: str | None) -> Figures:
    """The first `up` of a fresh copy, and the second."""
    with application(source, manifest) as (here, directory):
        return {"unbuilt": _first_answer(here, directory), "built": _first_answer(here, directory)}


def _first_answer(here: Stage, directory: Path) -> float:
    port = free_port()
    began = time.monotonic()
    started = here.start("up", [*FLYBALL, "up", "--port", str(port)], directory=directory)
    while not answers(f"http://127.0.0.1:{port}/"):
        if started.process.poll() is not None or time.monotonic() - began > LONGEST_S:
            raise SystemExit(f"no answer:\n{started.log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.01)
    took = time.monotonic() - began
    started.process.send_signal(signal.SIGINT)
    started.process.wait(LONGEST_S)
    here.stop(started)
    return took


if __name__ == "__main__":
    main()
