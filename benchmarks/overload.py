"""The part `overload` of `benchmarks.balancer`: who waits is served by the instances that come to help, or is not.

An instance works on four requests at a time, 40 ms each, its health check among them, as a plain server with four
threads does; what comes beyond that waits inside it. It sleeps, so that the machine is not what is measured.
"""

from __future__ import annotations

import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.harness import ROOT, Figures, Stage, stage
from benchmarks.peers import PEERS

from flyball.core.arrivals import RateCurve
from flyball.core.arrivals import Stage as Rate
from flyball.load import Plan, execute
from flyball.local.process.ports import free_port

AT_ONCE = 4
"""Known to a balancer that has a queue; `four_at_a_time.py` has the same number."""
RATE, SECONDS = 300.0, 20.0
INSTANCES, HELP_AFTER_S = 4, 5.3
CLIENT_TIMEOUT_S = 60.0
LOOK_S, LOOK_TIMEOUT_S = 0.25, 4.0


def measure(name: str) -> Figures:
    """One overload behind the balancer `name`."""
    with stage() as here:
        ports = [_instance(here) for _ in range(INSTANCES)]
        peer = PEERS[name](here, ports[:1], limit=AT_ONCE)
        helping = threading.Timer(HELP_AFTER_S, peer.serve, [ports])
        with _looks(ports[0]) as looks:
            helping.start()
            curve = RateCurve(stages=(Rate(rate=RATE, duration_s=SECONDS),))
            result = execute(Plan(url=f"http://127.0.0.1:{peer.port}/", curve=curve, timeout_s=CLIENT_TIMEOUT_S))
            helping.join()
    return {
        "failed": float(result.failed),
        "slowest s": (result.latency_ms.max or 0.0) / 1000,
        "p99 s": (result.latency_ms.p99 or 0.0) / 1000,
        "/health s": max(looks),
    }


def _instance(here: Stage) -> int:
    port = free_port()
    argv = [sys.executable, "-m", "uvicorn", "benchmarks.four_at_a_time:app", "--port", str(port)]
    argv += ["--no-access-log", "--log-level", "warning"]
    here.start(f"instance-{port}", argv, directory=ROOT, ready=f"http://127.0.0.1:{port}/health")
    return port


@contextmanager
def _looks(port: int) -> Iterator[list[float]]:
    """How long the instance's health check takes, asked straight, again and again."""
    took: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            began = time.monotonic()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=LOOK_TIMEOUT_S).read()
            except OSError:
                took.append(LOOK_TIMEOUT_S)
                continue
            took.append(time.monotonic() - began)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield took
    finally:
        over.set()
        looking.join()
