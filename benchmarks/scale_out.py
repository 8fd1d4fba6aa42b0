"""The Visitor Board from calm to four times one instance's capacity and back to calm: how fast it scales, what fails.

python -m benchmarks.scale_out
python -m benchmarks.scale_out --slo "p99 < 200ms" --concurrency 8
python -m benchmarks.scale_out --slo "p99 < 200ms" --again 4

With `--slo` the board scales by `adaptive` instead of its target; with `--concurrency` its requests wait in one queue
in the balancer.

Generator, balancer and instances share one machine, so the overload must be far below what that answers: the size of an
instance is the file's, or as much smaller as four times its capacity needs to fit. With `--cpu` it is that, and refused
where it does not fit.

Capacity is measured first: what one instance answers in a closed loop. "react" is the time from the first overloaded
second to the first new instance in service (with the target three datapoints of a second, and the start); "most" the
largest number wanted; "failed" counts requests that got no answer, or one of 400 and above; "not_sent" those that were
due when too many were unanswered, because generator and instances share this machine.

With `--again` the overload lasts 12 s and comes every minute, so many times. "ready 3" are the instances in service in
the first second of the third; "p99_ms 3" is its latency. `adaptive` expects a burst of a timer of minutes when it came
twice: the third should find its instances there.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Figures, arguments, medians, save, say, show, wrk
from benchmarks.product import FLYBALL, application, board, flyball, processes

from flyball.local.process.ports import free_port

CALM_S = 8
OVERLOAD_S = 30
BURST_S, EVERY_S = 12, 60
CARRIED = 0.4
"""The share of what all instances answer to `wrk` that an overload may be: `flyball load` needs more of a machine."""
SMALLEST_CPU = 0.03
SIZE = re.compile(r"(?<=cpu = )[0-9.]+(?=, memory)")


def main() -> None:
    parser = arguments(__doc__, runs=5, seconds=60)
    parser.add_argument("--times", type=float, default=4.0, help="load, in capacities of one instance")
    parser.add_argument("--slo", help='scale by `adaptive` with this objective, such as "p99 < 200ms"')
    parser.add_argument("--concurrency", type=int, help="requests at an instance; the others wait in one queue")
    parser.add_argument("--cpu", type=float, help="cores of an instance; found by itself without")
    parser.add_argument("--again", type=int, default=0, help="so many short overloads instead of one, every minute")
    options = parser.parse_args()
    text = fitting(manifest(options.slo, options.concurrency), options.times, options.cpu)
    samples: dict[str, list[Figures]] = {"visitor-board": []}
    for turn in range(options.runs):
        samples["visitor-board"].append(measure(text, options.times, options.seconds, options.again))
        say(f"  {turn + 1}/{options.runs} {samples['visitor-board'][-1]}")
    show("One overload", samples)
    if options.save:
        save("scale_out_again" if options.again else "scale_out", {"medians": medians(samples), "samples": samples})


def manifest(slo: str | None, concurrency: int | None) -> str:
    """The board's file, with another policy or with a queue."""
    text = (board() / "flyball.toml").read_text()
    if slo is not None:
        text = re.sub(r"^target = .*$", f'adaptive = {{ slo = "{slo}" }}', text, flags=re.MULTILINE)
    if concurrency is not None:
        text = text.replace("[services.web]", f"[services.web]\nconcurrency = {concurrency}")
    return text


def fitting(text: str, times: float, asked: float | None) -> str:
    """The file with instances so small that the machine carries their overload; says what it found, or refuses."""
    cpu = float(SIZE.findall(text)[0]) if asked is None else asked
    capacity, carried = carries(sized(text, cpu))
    fits = cpu * min(1.0, CARRIED * carried / (times * capacity))
    found = f"{times:g} x {capacity:.0f}/s of an instance of {cpu:g} cores; all that fit on this machine answer"
    say(f"  {found} {carried:.0f}/s, of which an overload may be {CARRIED:.0%}")
    if fits < (SMALLEST_CPU if asked is None else asked):
        raise SystemExit(f"this machine does not carry {times:g} times an instance of {cpu:g} cores: refused")
    chosen = math.floor(fits * 100) / 100
    say(f"  instances of {chosen:g} cores")
    return sized(text, chosen)


def sized(text: str, cpu: float) -> str:
    return SIZE.sub(f"{cpu:g}", text)


def carries(text: str) -> tuple[float, float]:
    """What one instance answers in a closed loop, and what all of them do."""
    with application(board(), text) as (_, directory):
        port = free_port()
        flyball(directory, "up", "-d", "--port", str(port))
        capacity = one_instance(directory, port)
        flyball(directory, "scale", "web=10", "--hold", "60s")
        while [one["lifecycle"] for one in processes(directory)["services"][0]["instances"]].count("in_service") < 10:
            time.sleep(0.2)
        return capacity, wrk(f"http://127.0.0.1:{port}/", connections=64, seconds=5.0)


def measure(text: str, times: float, calm_s: float, again: int) -> Figures:
    with application(board(), text) as (_, directory):
        port = free_port()
        flyball(directory, "up", "-d", "--port", str(port))
        capacity = one_instance(directory, port)
        flyball(directory, "scale", "web=1")
        while len(processes(directory)["services"][0]["instances"]) > 1:
            time.sleep(0.5)
        time.sleep(20)  # the last measurements leave the alarms
        if again:
            return recurring(directory, capacity, times, again)
        return overload(directory, capacity, times, calm_s)


def one_instance(directory: Path, port: int) -> float:
    flyball(directory, "scale", "web=1", "--hold", "30s")
    return wrk(f"http://127.0.0.1:{port}/", connections=8, seconds=5.0)


def overload(directory: Path, capacity: float, times: float, calm_s: float) -> Figures:
    calm = max(capacity / 10, 1.0)
    stages = f"{calm:.0f}:{CALM_S}s,{times * capacity:.0f}:{OVERLOAD_S}s,{calm:.0f}:{calm_s:.0f}s"
    began, load = loading(directory, "--stages", stages)
    out, _ = load.communicate(timeout=CALM_S + OVERLOAD_S + calm_s + 120)
    time.sleep(25)
    events, result = happened(directory), json.loads(out)
    for kind, failure in result["failures"].items():
        say(f"  {failure['count']} {kind}: {failure['example']}")
    if not result["valid"]:
        say(f"  {result['invalid']}")
    return figures(events, result, capacity, overloaded_at=began + CALM_S)


def loading(directory: Path, *words: str) -> tuple[float, subprocess.Popen[str]]:
    """A load that runs, and the time of its first request: the first line of progress comes one second later."""
    talk = directory.with_name("talk")
    talk.unlink(missing_ok=True)
    with talk.open("w") as stderr:
        command = [*FLYBALL, "load", "web", *words, "--json"]
        load = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=stderr, text=True)
    while not talk.stat().st_size and load.poll() is None:
        time.sleep(0.01)
    return time.time() - 1.0, load


def happened(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in flyball(directory, "events", "--json").splitlines()]


def recurring(directory: Path, capacity: float, times: float, again: int) -> Figures:
    """The same short overload every minute above a calm load: who was there when it began, and how late it was."""
    calm = max(capacity / 10, 1.0)
    began, quiet = loading(directory, "--rate", f"{calm:.0f}", "--for", f"{(again + 1) * EVERY_S}s")
    found = {"capacity_rps": capacity, "failed": 0.0}
    starts = []
    for turn in range(1, again + 1):
        time.sleep(max(began + turn * EVERY_S - time.time(), 0.0))
        at, load = loading(directory, "--rate", f"{times * capacity:.0f}", "--for", f"{BURST_S}s")
        starts.append(at)
        result = json.loads(load.communicate(timeout=BURST_S + 60)[0])
        found["failed"] += result["failed"] - result["not_sent"]
        found[f"p99_ms {turn}"] = result["latency_ms"]["p99"]
    quiet.communicate(timeout=2 * EVERY_S)
    events = happened(directory)
    return found | {f"ready {turn}": ready(events, at) for turn, at in enumerate(starts, 1)}


def ready(events: list[dict[str, Any]], at: float) -> float:
    """How many instances were in service then."""
    kinds = [event["kind"] for event in events if event["at"] < at]
    return float(kinds.count("in_service") - kinds.count("draining"))


def figures(events: list[dict[str, Any]], result: dict[str, Any], capacity: float, *, overloaded_at: float) -> Figures:
    after = [event for event in events if event["at"] > overloaded_at]
    in_service = [event["at"] for event in after if event["kind"] == "in_service"]
    desired = [event["to"] for event in after if event["to"] is not None]
    if not in_service:
        raise SystemExit(f"no instance came into service under {result['sent']} requests: nothing to report")
    return {
        "capacity_rps": capacity,
        "react_s": in_service[0] - overloaded_at,
        "most": float(max(desired, default=1)),
        "last": float(desired[-1] if desired else 1),
        "sent": float(result["sent"]),
        "failed": float(result["failed"] - result["not_sent"]),
        "not_sent": float(result["not_sent"]),
        "p99_ms": result["latency_ms"]["p99"],
    }


if __name__ == "__main__":
    main()
