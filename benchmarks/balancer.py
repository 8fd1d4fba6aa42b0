"""The balancer as `flyball up` configures it, against nginx, HAProxy and Caddy: same upstream, same run, as ratios.

python -m benchmarks.balancer [board|json|bare|latency|overload ...]

board, json: how many requests per second two instances of the application give behind each balancer, on this whole
machine (closed loop, wrk: as many as it can); "all CPU us" is the CPU of a balancer and both instances per request,
which other work on the machine hardly moves. bare: the balancer alone, in front of an upstream that costs nothing;
requests per second and CPU per request (closed loop). latency: what a balancer adds at a fixed rate far below its
limit (open loop, flyball's own generator, times counted from the sending). overload: one instance that works on four
requests at a time gets three times what it can answer for 20 s, and three more help from 5.3 s on: failed requests, the
slowest answer, and the longest look at the first instance's /health.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import overload, upstreams
from benchmarks.harness import Figures, Stage, Started, arguments, interleaved, medians, save, say, show, stage, wrk
from benchmarks.peers import PEERS, Peer

from flyball.core import arrivals
from flyball.core.arrivals import RateCurve
from flyball.load import Plan, execute

DIRECT = "direct"
CONNECTIONS = 32
ATTEMPTS = 5
OVERLOAD = "overload"
UPSTREAMS = {"board": upstreams.board, "json": upstreams.json_app, "bare": upstreams.bare, "latency": upstreams.bare}


def main() -> None:
    parser = arguments(__doc__, runs=5, seconds=4)
    parser.add_argument(
        "parts", nargs="*", choices=[[], *UPSTREAMS, OVERLOAD], help="what to measure; all when none is named"
    )
    parser.add_argument("--rate", type=float, default=1000, help="requests per second of the part `latency`")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for part in options.parts or (*UPSTREAMS, OVERLOAD):
        say(f"{part}:")
        if part == OVERLOAD:
            samples = interleaved(list(PEERS), options.runs, overload.measure)
        else:
            samples = measure(part, runs=options.runs, seconds=options.seconds, rate=options.rate)
        figures[part] = {"medians": medians(samples), "ratios": ratios(part, medians(samples)), "samples": samples}
        show(TITLES[part], samples)
        for name, ratio in figures[part]["ratios"].items():
            print(f"  {name}: {ratio:.3g}")
    if options.save:
        save("balancer", figures)


TITLES = {
    "board": "Visitor Board, two instances: requests per second (closed loop, wrk)",
    "json": "tiny JSON app, two instances: requests per second (closed loop, wrk)",
    "bare": "bare upstream: requests per second and the balancer's CPU per request (closed loop, wrk)",
    "latency": "bare upstream at a fixed rate: time from the sending to the answer (open loop)",
    OVERLOAD: "one instance at three times its capacity, three more after 5.3 s (open loop)",
}


def measure(part: str, *, runs: int, seconds: float, rate: float) -> dict[str, list[Figures]]:
    """All balancers stand in front of the same two instances at once; only one is loaded at a time."""
    with stage() as here:
        ports = UPSTREAMS[part](here)
        peers: dict[str, Peer | None] = {DIRECT: None}
        peers |= {name: start(here, ports) for name, start in PEERS.items()}

        def one(name: str) -> Figures:
            balancer, port = at(name)
            return _fixed(balancer, port, rate, seconds) if part == "latency" else _most(here, balancer, port, seconds)

        def at(name: str) -> tuple[Started | None, int]:
            peer = peers[name]
            return (None, ports[0]) if peer is None else (peer.started, peer.port)

        # The direct way reaches one of the two instances: as a ceiling it would mislead where they are the limit.
        names = [name for name in peers if name != DIRECT or part in {"bare", "latency"}]
        for name in names:
            _most(here, *at(name), 1)  # connections, caches and code are warm before the first turn
        return interleaved(names, runs, one)


def ratios(part: str, middle: Mapping[str, Figures]) -> dict[str, float]:
    """What the figures say of Envoy."""
    if part == "latency":
        added = {f"{name} adds to {key}": f[key] - middle[DIRECT][key] for name, f in middle.items() for key in LATENCY}
        return {name: value for name, value in added.items() if not name.startswith(DIRECT)}
    if part == OVERLOAD:
        slowest = {name: figures["slowest s"] for name, figures in middle.items()}
        best = min(value for name, value in slowest.items() if name != "envoy")
        return {"Envoy's slowest answer / the best other's": slowest["envoy"] / best}
    rates = {name: figures["rps"] for name, figures in middle.items() if name != DIRECT}
    best = max(rate for name, rate in rates.items() if name != "envoy")
    found = {"Envoy / the best other": rates["envoy"] / best, "Envoy / Caddy": rates["envoy"] / rates["caddy"]}
    costs = {name: figures["all CPU us"] for name, figures in middle.items() if name != DIRECT}
    least = min(cost for name, cost in costs.items() if name != "envoy")
    found["by all CPU, Envoy / the best other"] = least / costs["envoy"]
    found["by all CPU, Envoy / Caddy"] = costs["caddy"] / costs["envoy"]
    if part == "bare":
        cheapest = min(f["CPU us"] for name, f in middle.items() if name not in {"envoy", DIRECT})
        found["Envoy's CPU per request / the cheapest other"] = middle["envoy"]["CPU us"] / cheapest
    return found


LATENCY = ("p50 ms", "p99 ms")


def _most(here: Stage, balancer: Started | None, port: int, seconds: float) -> Figures:
    before, before_all = _cpu_s(balancer), here.cpu_s()
    rps = wrk(f"http://127.0.0.1:{port}/", connections=CONNECTIONS, seconds=seconds)
    millions = rps * max(1, round(seconds)) / 1e6
    return {
        "rps": rps,
        "CPU us": (_cpu_s(balancer) - before) / millions,
        "all CPU us": (here.cpu_s() - before_all) / millions,
    }


def _fixed(balancer: Started | None, port: int, rate: float, seconds: float) -> Figures:
    curve = RateCurve(stages=(arrivals.Stage(rate=rate, duration_s=seconds),))
    for _ in range(ATTEMPTS):
        before = _cpu_s(balancer)
        result = execute(Plan(url=f"http://127.0.0.1:{port}/", curve=curve))
        if result.failed:
            raise SystemExit(f"{result.failed} requests failed, the figure would mean nothing: {result.failures}")
        if result.valid:
            p50, p99 = result.service_ms.p50 or 0.0, result.service_ms.p99 or 0.0
            return {"p50 ms": p50, "p99 ms": p99, "CPU us": (_cpu_s(balancer) - before) / result.sent * 1e6}
        say(f"  again: {result.invalid}")
    raise SystemExit(f"this machine is too busy: no valid figure in {ATTEMPTS} attempts")


def _cpu_s(balancer: Started | None) -> float:
    return 0.0 if balancer is None else balancer.cpu_s()


if __name__ == "__main__":
    main()
