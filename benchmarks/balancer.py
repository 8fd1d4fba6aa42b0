"""The balancer as `flyball up` configures it, against nginx, HAProxy and Caddy: same upstream, same run, as ratios.

python -m benchmarks.balancer [board|json|bare|latency ...]

board, json: how many requests per second two instances of the application give behind each balancer, on this whole
machine (closed loop, wrk: as many as it can). bare: the balancer alone, in front of an upstream that costs nothing;
requests per second and CPU per request (closed loop). latency: what a balancer adds at a fixed rate far below its
limit (open loop, flyball's own generator, times counted from the sending).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks import upstreams
from benchmarks.harness import Figures, Started, arguments, interleaved, medians, save, say, show, stage, wrk
from benchmarks.peers import PEERS

from flyball.core.arrivals import RateCurve, Stage
from flyball.load import Plan, execute

DIRECT = "direct"
CONNECTIONS = 32
UPSTREAMS = {"board": upstreams.board, "json": upstreams.json_app, "bare": upstreams.bare, "latency": upstreams.bare}


def main() -> None:
    parser = arguments(__doc__, runs=5, seconds=4)
    parser.add_argument("parts", nargs="*", choices=[[], *UPSTREAMS], help="what to measure; all when none is named")
    parser.add_argument("--rate", type=float, default=1000, help="requests per second of the part `latency`")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    for part in options.parts or UPSTREAMS:
        say(f"{part}:")
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
}


def measure(part: str, *, runs: int, seconds: float, rate: float) -> dict[str, list[Figures]]:
    """All balancers stand in front of the same two instances at once; only one is loaded at a time."""
    with stage() as here:
        ports = UPSTREAMS[part](here)
        peers: dict[str, tuple[Started | None, int]] = {DIRECT: (None, ports[0])}
        peers |= {name: start(here, ports) for name, start in PEERS.items()}

        def one(name: str) -> Figures:
            balancer, port = peers[name]
            return _fixed(balancer, port, rate, seconds) if part == "latency" else _most(balancer, port, seconds)

        # The direct way reaches one of the two instances: as a ceiling it would mislead where they are the limit.
        names = [name for name in peers if name != DIRECT or part in {"bare", "latency"}]
        for name in names:
            _most(peers[name][0], peers[name][1], 1)  # connections, caches and code are warm before the first turn
        return interleaved(names, runs, one)


def ratios(part: str, middle: Mapping[str, Figures]) -> dict[str, float]:
    """What the figures say of Envoy."""
    if part == "latency":
        added = {f"{name} adds to {key}": f[key] - middle[DIRECT][key] for name, f in middle.items() for key in LATENCY}
        return {name: value for name, value in added.items() if not name.startswith(DIRECT)}
    rates = {name: figures["rps"] for name, figures in middle.items() if name != DIRECT}
    best = max(rate for name, rate in rates.items() if name != "envoy")
    found = {"Envoy / the best other": rates["envoy"] / best, "Envoy / Caddy": rates["envoy"] / rates["caddy"]}
    if part == "bare":
        cheapest = min(f["CPU us"] for name, f in middle.items() if name not in {"envoy", DIRECT})
        found["Envoy's CPU per request / the cheapest other"] = middle["envoy"]["CPU us"] / cheapest
    return found


LATENCY = ("p50 ms", "p99 ms")


def _most(balancer: Started | None, port: int, seconds: float) -> Figures:
    before = _cpu_s(balancer)
    rps = wrk(f"http://127.0.0.1:{port}/", connections=CONNECTIONS, seconds=seconds)
    used = _cpu_s(balancer) - before
    return {"rps": rps, "CPU us": used / (rps * max(1, round(seconds))) * 1e6}


def _fixed(balancer: Started | None, port: int, rate: float, seconds: float) -> Figures:
    before = _cpu_s(balancer)
    plan = Plan(url=f"http://127.0.0.1:{port}/", curve=RateCurve(stages=(Stage(rate=rate, duration_s=seconds),)))
    result = execute(plan)
    if result.failed or result.invalid:
        raise SystemExit(f"the figure would mean nothing: {result.failed} failed; {result.invalid}")
    p50, p99 = result.service_ms.p50 or 0.0, result.service_ms.p99 or 0.0
    return {"p50 ms": p50, "p99 ms": p99, "CPU us": (_cpu_s(balancer) - before) / result.sent * 1e6}


def _cpu_s(balancer: Started | None) -> float:
    return 0.0 if balancer is None else balancer.cpu_s()


if __name__ == "__main__":
    main()
