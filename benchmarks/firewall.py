"""What a firewall costs: the Visitor Board with none, with the built-in rules, with the OWASP Core Rule Set, in turns.

python -m benchmarks.firewall

most: how many pages are answered (closed loop, wrk). p50, p99: latency at a fixed rate (open loop). One instance of one
core. The last line has each as a multiple of what it is without a firewall. Needs Debian's modsecurity-crs.
"""

from __future__ import annotations

from benchmarks.harness import Figures, arguments, interleaved, medians, save, say, show, wrk
from benchmarks.product import application, board, flyball, processes

from flyball.core.arrivals import RateCurve, Stage
from flyball.load import Plan, execute
from flyball.local.process.ports import free_port

CONNECTIONS = 16
BUILT_IN = 'bad_input = "block"\nmethods = ["GET", "HEAD", "POST"]\nurl = "2KB"\nheaders = "8KB"\nrate = "1000000/1m"\n'
FIREWALLS = {"without": "", "built in": BUILT_IN, "owasp-crs": 'rules = "owasp-crs"\n'}


def main() -> None:
    parser = arguments(__doc__, runs=3, seconds=6)
    parser.add_argument("--rate", type=float, default=100, help="requests per second of the latencies")
    options = parser.parse_args()
    samples = interleaved(list(FIREWALLS), options.runs, lambda name: _measured(name, options.seconds, options.rate))
    show("The Visitor Board behind each firewall, one instance of one core", samples)
    found = medians(samples)
    for name, figures in found.items():
        ratios = ", ".join(f"{key} x {value / found['without'][key]:.2f}" for key, value in figures.items())
        say(f"  {name}: {ratios}")
    if options.save:
        save("firewall", {"medians": found, "samples": samples})


def _measured(name: str, seconds: float, rate: float) -> Figures:
    file = (
        (board() / "flyball.toml").read_text().replace("cpu = 0.25", "cpu = 1").replace("min = 1, max = 10", "min = 1")
    )
    with application(board(), f"{file}\n[listener.firewall]\n{FIREWALLS[name]}") as (_, directory):
        flyball(directory, "up", "-d", "--port", str(free_port()))
        url = str(processes(directory)["url"]) + "/"
        most = wrk(url, connections=CONNECTIONS, seconds=seconds)
        found = execute(Plan(url=url, curve=RateCurve(stages=(Stage(rate=rate, duration_s=seconds),))))
    if found.failed:
        raise SystemExit(f"{found.failed} requests failed: {found.failures}")
    say(f"  {name}: {most:.0f} requests per second")
    return {"most": most, "p50 ms": found.latency_ms.p50, "p99 ms": found.latency_ms.p99}


if __name__ == "__main__":
    main()
