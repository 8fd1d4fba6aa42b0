"""The simulator against reality: the same trace live and simulated, calibrated on another trace.

python -m benchmarks.truth [--only NAME] [--keep DIR] [--again DIR] [--first FILE@S] [--second FILE@S] [--peak N]

Three cases: the Visitor Board; a site as Django's own generator makes it; a rollout of the board under load. Each runs
live under two traces, of one minute and of two, with `flyball load --trace`. The first is only measured (`flyball
simulate --calibrate`); the second is simulated, once with the live run's seed and with 20 others, which give the band.
`--first` and `--second` take the two from traces of your own: `day.csv@3600` is what came from second 3600 on, with
the busiest five seconds at `--peak` times what one instance can do. `--keep` leaves the runs in a directory, and
`--again` compares those of a directory anew, without a live run.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.harness import arguments, save, say
from benchmarks.product import board, flyball
from benchmarks.truth_live import Case, Excerpt, Shape, record

GENERATED = "uv venv && uv pip install -r requirements.txt && .venv/bin/django-admin startproject site_ ."
DJANGO = f"""
name = "truth-django"
[services.web]
build = "{GENERATED}"
run = "gunicorn -b 127.0.0.1:$PORT site_.wsgi"
routes = ["/"]
size = {{ cpu = 0.25, memory = "512MB" }}
instances = {{ min = 1, max = 6 }}
scale = {{ target = {{ cpu = 50 }} }}
"""
BOUNDS = {"instance-hours": 0.05, "p50 ms": 0.10, "p95 ms": 0.10, "p99 ms": 0.15}
"""How far apart the two may be, as a share of the live figure; p99 may also lie in the band."""


def _requirements(directory: Path) -> None:
    (directory / "requirements.txt").write_text("django\ngunicorn\n")


def _changed(directory: Path) -> None:
    with (directory / "board.py").open("a") as source:
        source.write("\n# changed\n")


CASES = (
    Case(name="board", source=board(), manifest=None),
    Case(name="django", source=None, manifest=DJANGO, write=_requirements),
    Case(
        name="rollout",
        source=board(),
        manifest=None,
        deploy_s=35.0,
        change=_changed,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The figures of one run, live or simulated."""

    figures: dict[str, float]
    scale_outs: tuple[tuple[float, int], ...]


def main() -> int:
    parser = arguments(__doc__, runs=1, seconds=120)
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES], help="just this case")
    parser.add_argument("--keep", type=Path, help="leave the traces in this directory")
    parser.add_argument("--again", type=Path, help="compare the traces of this directory, without a live run")
    parser.add_argument("--replications", type=int, default=20, help="simulations with other seeds, for the band")
    parser.add_argument("--first", metavar="FILE@SECONDS", help="the trace to calibrate on, from a longer one")
    parser.add_argument("--second", metavar="FILE@SECONDS", help="the trace to compare, from a longer one")
    parser.add_argument("--peak", type=float, default=1.35, help="capacities of an instance at the busiest of a trace")
    parser.add_argument("--speed", type=float, default=1.0, help="play the traces this many times as fast")
    parser.add_argument("--seed", type=int, default=1, help="seed of the traces")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what runs live is brought down all the same
    cases = [_with(case, options) for case in CASES if not options.only or case.name in options.only]
    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="flyball-truth-") as temporary:
        places = [options.again] if options.again else []
        for turn in range(0 if places else options.runs):
            place = (options.keep or Path(temporary)) / f"run-{options.seed + 10 * turn}"
            for case in cases:
                say(f"{case.name}, run {turn + 1} of {options.runs}")
                record(case, place / case.name, seed=options.seed + 10 * turn)
                told.append(compared(place / case.name, options.replications))
        again = sorted(found.parent for place in places for found in place.rglob("live.json"))
        told += [compared(one, options.replications) for one in again if not options.only or one.name in options.only]
    if not told:
        raise SystemExit(f"there are no traces in {options.again}")
    if options.save:
        save("truth", told)
    return 0 if all(one["within"] for one in told) else 1


def _with(case: Case, options: Namespace) -> Case:
    """The case as long as it shall be, and under traces where some are named."""
    return replace(
        case, first=_shape(case.first, options.first, options), second=_shape(case.second, options.second, options)
    )


def _shape(usual: Shape, named: str | None, options: Namespace) -> Shape:
    found = tuple((seconds * options.seconds / 120, load) for seconds, load in usual)
    if named is None:
        return found
    file, _, at_s = named.partition("@")
    excerpt = Excerpt(recording=Path(file), at_s=float(at_s or 0), speed=options.speed, peak=options.peak)
    return excerpt.shape(sum(seconds for seconds, _ in found))


def compared(kept: Path, replications: int) -> dict[str, Any]:
    """Calibrate on what is kept, simulate, and show both."""
    flyball(kept, "simulate", "--calibrate")
    live = json.loads((kept / "live.json").read_text())
    simulated = _simulated(kept, live, live["seed"])
    others = [_simulated(kept, live, 1000 + number) for number in range(replications)]
    real = _real(live, json.loads(flyball(kept, "simulate", *_words(live, live["seed"])))["seconds"])
    rows = [_row(name, real, simulated, others) for name in BOUNDS]
    _show(kept, live, real, simulated, rows)
    return {
        "case": kept.name,
        "within": all(row["within"] for row in rows),
        "rows": rows,
        "scale_outs": {"live": real.scale_outs, "simulated": simulated.scale_outs},
        "stalls": live["stalls"],
        "valid": live["load"]["valid"],
    }


def _words(live: dict[str, Any], seed: int) -> list[str]:
    rollout = [] if live["deploy_s"] is None else ["--deploy", f"{live['deploy_s']}s"]
    return ["--trace", "trace.csv", "--seed", f"{seed}", "--json", *rollout]


def _simulated(kept: Path, live: dict[str, Any], seed: int) -> Run:
    found = json.loads(flyball(kept, "simulate", *_words(live, seed)))
    return Run(
        figures=_figures(found["instance_hours"], found["latency_ms"]),
        scale_outs=_outs(found["events"], 0.0, found["seconds"]),
    )


def _real(live: dict[str, Any], seconds: float) -> Run:
    hours = _hours(live["events"], live["began"], live["began"] + seconds)
    return Run(
        figures=_figures(hours, live["load"]["latency_ms"]), scale_outs=_outs(live["events"], live["began"], seconds)
    )


def _figures(hours: float, latency_ms: dict[str, float]) -> dict[str, float]:
    return {"instance-hours": hours, **{f"{name} ms": latency_ms[name] for name in ("p50", "p95", "p99")}}


def _outs(events: Sequence[dict[str, Any]], began: float, seconds: float) -> tuple[tuple[float, int], ...]:
    return tuple(
        (round(one["at"] - began, 1), one["to"])
        for one in events
        if one["kind"] == "scale_out" and 0 <= one["at"] - began <= seconds
    )


def _hours(events: Sequence[dict[str, Any]], begin: float, end: float) -> float:
    """From launch to exit of every instance, within these times."""
    launched = {one["instance"]: one["at"] for one in reversed(events) if one["kind"] == "launched"}
    gone = {one["instance"]: one["at"] for one in reversed(events) if one["kind"] in {"terminated", "failed"}}
    lived = (min(gone.get(name, end), end) - max(at, begin) for name, at in launched.items())
    return sum(max(one, 0.0) for one in lived) / 3600


def _row(name: str, real: Run, simulated: Run, others: Sequence[Run]) -> dict[str, Any]:
    live, ours = real.figures[name], simulated.figures[name]
    band = [one.figures[name] for one in others] or [ours]
    inside = name == "p99 ms" and min(band) <= live <= max(band)
    return {
        "name": name,
        "live": live,
        "simulated": ours,
        "off": ours / live - 1,
        "band": (min(band), max(band)),
        "within": inside or abs(ours / live - 1) <= BOUNDS[name],
    }


def _show(kept: Path, live: dict[str, Any], real: Run, simulated: Run, rows: Sequence[dict[str, Any]]) -> None:
    load, stalls = live["load"], live["stalls"]
    print(f"\n{kept.name}: {load['sent']} requests, {load['failed']} failed")
    print(f"  {'':<16}{'live':>10}{'simulated':>12}{'off':>9}   20 seeds")
    for row in rows:
        low, high = row["band"]
        verdict = "" if row["within"] else f"   missed: {BOUNDS[row['name']]:.0%} allowed"
        print(
            f"  {row['name']:<16}{row['live']:>10.4g}{row['simulated']:>12.4g}{row['off']:>+9.0%}"
            f"   {low:.4g} to {high:.4g}{verdict}"
        )
    for what, outs in (("live", real.scale_outs), ("simulated", simulated.scale_outs)):
        print(f"  scaled out, {what:<10} " + (", ".join(f"{at:g} s to {to}" for at, to in outs) or "never"))
    lag = load["send_lag_ms"]["p99"]
    print(f"  the machine: late by {stalls['p99_ms']} ms in 1 %, {stalls['max_ms']} ms at most; send lag p99 {lag} ms")
    if not load["valid"]:
        print("  the generator was too slow here: the live figures are not to be trusted")


if __name__ == "__main__":
    sys.exit(main())
