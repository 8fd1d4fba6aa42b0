"""A burst on the Visitor Board that comes again an hour later: the second is served by instances that wait for it.

python -m benchmarks.recurring

The board scales by `adaptive` and gets little; then, for half a minute, three times what one instance answers, and an
hour later the same again. Of each burst: "ready" is how many instances were in service when it began, "react" the time
from its begin to the first new instance in service (below zero: before it), "p99" and "failed" of its requests.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Figures, save, say, show
from benchmarks.product import FLYBALL, application, board, flyball
from benchmarks.scale_out import carries, manifest, sized

from flyball.local.process.ports import free_port

HOUR_S = 3600.0
LEAD_S, BURST_S = 40, 30
LOOKS_BACK_S = 60.0
TIMES, CALM = 3.0, 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cpu", type=float, default=0.1, help="cores of an instance")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    text = sized(manifest("p99 < 200ms", None), options.cpu)
    capacity, _ = carries(text)
    say(f"  one instance answers {capacity:.0f}/s")
    with application(board(), text) as (_, directory):
        flyball(directory, "up", "-d", "--port", str(free_port()))
        time.sleep(60)  # what comes is known
        rows = bursts(directory, TIMES * capacity)
    samples = {f"burst {number}": [row] for number, row in enumerate(rows, 1)}
    show("A burst that recurs", samples)
    if options.save:
        save("recurring", samples)


def bursts(directory: Path, rate: float) -> list[Figures]:
    """The figures of one burst and of the same an hour later."""
    rows: list[Figures] = []
    first_at = time.time() + LEAD_S + 2
    for begins_at in (first_at, first_at + HOUR_S):
        calm_s = begins_at - LEAD_S - time.time()
        if calm_s > 1:
            load(directory, f"{CALM:g}:{calm_s - 1:.0f}s")
        time.sleep(max(begins_at - LEAD_S - time.time(), 0))
        result = load(directory, f"{CALM:g}:{LEAD_S}s,{rate:.0f}:{BURST_S}s,{CALM:g}:20s")
        rows.append(figures(directory, result, begins_at))
        say(f"  {rows[-1]}")
    return rows


def load(directory: Path, stages: str) -> dict[str, Any]:
    argv = [*FLYBALL, "load", "web", "--stages", stages, "--json"]
    done = subprocess.run(argv, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def figures(directory: Path, result: dict[str, Any], begins_at: float) -> Figures:
    events = [json.loads(line) for line in flyball(directory, "events", "--json").splitlines()]
    near = [one for one in events if begins_at - LOOKS_BACK_S < one["at"] < begins_at + BURST_S]
    came = [one["at"] - begins_at for one in near if one["kind"] == "in_service"]
    for one in near:
        if one["kind"] in ("scale_out", "scale_in"):
            say(f"  {one['at'] - begins_at:+.1f} s: {one['from']} -> {one['to']}, {one['reason']}")
    return {
        "ready": float(serving(events, begins_at)),
        "react_s": min(came, default=float("nan")),
        "sent": float(result["sent"]),
        "failed": float(result["failed"]),
        "p99_ms": result["latency_ms"]["p99"],
    }


def serving(events: Sequence[dict[str, Any]], at: float) -> int:
    """How many instances were in service then."""
    before = [one for one in events if one["at"] <= at and one["instance"] is not None]
    came = {one["instance"] for one in before if one["kind"] == "in_service"}
    return len(came - {one["instance"] for one in before if one["kind"] in ("draining", "terminated", "failed")})


if __name__ == "__main__":
    main()
