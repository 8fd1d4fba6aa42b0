"""Is the load generator honest, and how much can it send?

python -m benchmarks.generator [freeze|rates ...]

freeze: 500 requests per second for 10 s, evenly, against a server that freezes once for 2 s. A fifth of the requests
falls into the freeze, so the truth is a p90 of 1.0 s and a p99 of 1.9 s. Beside it wrk, which waits for answers.
rates: how late requests are sent, and what one costs in CPU, at rising rates against a bare web server.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from benchmarks import upstreams
from benchmarks.harness import Figures, arguments, interleaved, medians, program, save, show, stage

from flyball.core.arrivals import RateCurve, Stage
from flyball.load import Plan, execute
from flyball.local.process.ports import free_port

FREEZE_RATE, FREEZE_S = 500.0, 10.0
RATES = ("1000", "4000", "8000", "16000")


def main() -> None:
    parser = arguments(__doc__, runs=3, seconds=4)
    parser.add_argument("parts", nargs="*", choices=[[], "freeze", "rates"], help="all when none is named")
    parser.add_argument("--rates", nargs="*", default=list(RATES))
    options = parser.parse_args()
    figures = {}
    for part in options.parts or ("freeze", "rates"):
        if part == "freeze":
            samples = interleaved(["flyball", "wrk"], options.runs, freeze)
        else:
            samples = rates(options.rates, options.runs, options.seconds)
        figures[part] = {"medians": medians(samples), "samples": samples}
        show({"freeze": "A server that freezes for 2 s", "rates": "By requests per second"}[part], samples)
    if options.save:
        save("generator", figures)


def freeze(tool: str) -> Figures:
    """What a tool says of the freezing server, in milliseconds."""
    with stage() as here:
        port = free_port()
        argv = [sys.executable, str(Path(__file__).with_name("freezing_server.py"))]
        here.start("server", argv, environment={"PORT": str(port)}, ready=f"http://127.0.0.1:{port}/health")
        return (_by_wrk if tool == "wrk" else _by_flyball)(f"http://127.0.0.1:{port}/")


def rates(wanted: list[str], runs: int, seconds: float) -> dict[str, list[Figures]]:
    """Send lag and CPU at each rate."""
    with stage() as here:
        url = f"http://127.0.0.1:{upstreams.bare(here)[0]}/"

        def one(rate: str) -> Figures:
            began = time.process_time()
            curve = RateCurve(stages=(Stage(rate=float(rate), duration_s=seconds),))
            result = execute(Plan(url=url, curve=curve))
            used = time.process_time() - began
            lag = result.send_lag_ms
            return {"lag p50 ms": lag.p50 or 0.0, "lag p99 ms": lag.p99 or 0.0, "CPU us": used / result.sent * 1e6}

        return interleaved(wanted, runs, one)


def _by_flyball(url: str) -> Figures:
    curve = RateCurve(stages=(Stage(rate=FREEZE_RATE, duration_s=FREEZE_S),))
    found = execute(Plan(url=url, curve=curve, evenly=True)).latency_ms
    return {"p50 ms": found.p50 or 0.0, "p90 ms": found.p90 or 0.0, "p99 ms": found.p99 or 0.0}


def _by_wrk(url: str) -> Figures:
    argv = [program("wrk", "wrk"), "-t1", "-c50", f"-d{FREEZE_S:.0f}s", "--latency", url]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    found = {line.split()[0]: _milliseconds(line.split()[1]) for line in lines if line.strip()[2:3] == "%"}
    return {f"p{percent} ms": found[f"{percent}%"] for percent in (50, 90, 99)}


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


if __name__ == "__main__":
    main()
