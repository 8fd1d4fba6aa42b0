"""Every scaling policy on every trace: what it costs beside an oracle, and what its users feel.

python -m benchmarks.autoscaling TRACES
python -m benchmarks.autoscaling TRACES --equal-hours

TRACES is a directory of CSV files with a header: seconds, requests per second. A trace is scaled so that eight
instances are busy to 70 % on average, and drawn anew: each bin is a Poisson process, where bins of fewer than 100
requests are averaged first, because scaling would magnify their noise. At most `--hours` are played: the first half
(at most) tunes each policy, every one with the same number of settings, the rest is scored. A setting is chosen that is
cheapest among those with at most 1 % bad windows, else the one with the fewest. What a policy has learned in the first
half it knows in the second.

The world is `benchmarks/fluid.py`: an instance answers 100 requests a second in four places, 40 ms each; later than
200 ms is bad. A window is ten seconds with at least 100 requests, and bad with more than 1 % of them bad. The oracle
knows what comes, and has in each window the fewest instances with which it is good, each billed from its launch, as
everyone's are. SPEC's theta are over the need, in percent.

With `--equal-hours`: `adaptive`, as it was tuned, beside `kpa` with the target value at which it needs as many
instance-hours on the half that is scored, whatever it did on the other: the bad requests of both, and how many bursts
`adaptive` knew of that had come again by then. Where no target value makes `kpa` as cheap, `adaptive` takes the dearest
of its settings that costs no more than `kpa`.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from pathlib import Path

import numpy as np
from benchmarks import fluid
from benchmarks.harness import Figures, save, say

from flyball.core.control.memory import Memory
from flyball.core.model import (
    Adaptive,
    Comparison,
    Hpa,
    Kpa,
    Metric,
    PredictiveScaling,
    Scaling,
    StepAdjustment,
    StepScaling,
    TargetTracking,
)

NOTHING = Memory()
DELAYS_S = (0.3, 2.0, 10.0, 60.0)
INSTANCES, BUSY = 8, 0.7
ENOUGH = 100.0
MOST = 200
HALVINGS = 6
KPA_TARGETS = (2.0, 2.5, 2.75, 3.0, 3.25, 3.5, 4.0)
ALIKE = 1.02
FEW_PERCENT = 0.001
"""So many bad requests are none: a share of them says nothing."""
SHOWN = ("x oracle", "bad windows %", "bad requests %", "p99 ms", "launches", "reversals", "theta_under", "theta_over")


def tracking(target: float, predictive: bool = False) -> Scaling:
    """Target tracking on cpu, alone or with the hourly forecast beside it."""
    forecast = PredictiveScaling(metric=Metric.CPU, target_value=target, forecast_only=False)
    targets = (TargetTracking(metric=Metric.CPU, target_value=target),)
    return Scaling(target_tracking=targets, predictive=forecast if predictive else None)


def knative(target: float) -> Scaling:
    """Knative's policy on requests in flight at each instance."""
    return Scaling(kpa=Kpa(metric=Metric.CONCURRENCY, target_value=target, utilization_percent=100.0))


def stepping(threshold: float) -> Scaling:
    """Two rules: a fifth more above the threshold, one less well below it."""
    out = StepScaling(
        metric=Metric.CPU,
        comparison=Comparison.ABOVE,
        threshold=threshold,
        duration_s=3.0,
        steps=(StepAdjustment(lower_bound=0.0, upper_bound=15.0, amount=1), StepAdjustment(lower_bound=15.0, amount=4)),
    )
    into = StepScaling(
        metric=Metric.CPU,
        comparison=Comparison.BELOW,
        threshold=threshold - 20.0,
        duration_s=15.0,
        steps=(StepAdjustment(upper_bound=0.0, amount=-1),),
    )
    return Scaling(steps=(out, into))


POLICIES: dict[str, dict[str, Scaling]] = {
    "target tracking": {f"cpu {value}": tracking(value) for value in (50, 60, 70, 80, 85)},
    "with predictive": {f"cpu {value}": tracking(value, predictive=True) for value in (50, 60, 70, 80, 85)},
    "steps": {f"cpu > {value}": stepping(value) for value in (50, 60, 70, 80, 85)},
    "hpa": {f"cpu {value}": Scaling(hpa=Hpa(metric=Metric.CPU, target_value=value)) for value in (50, 60, 70, 80, 85)},
    "kpa": {f"concurrency {value:g}": knative(value) for value in (2.0, 2.25, 2.5, 2.75, 3.0)},
    "adaptive": {
        f"p99 < {value} ms": Scaling(adaptive=Adaptive(metric=Metric.P99, threshold=value))
        for value in (50, 100, 150, 200, 250)
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Part of a trace: what arrives in each quarter of a second, and how many instances it needs."""

    arrivals: np.ndarray
    need: np.ndarray
    began: float

    def played(self, scaling: Scaling, delay_s: float, memory: Memory = NOTHING) -> tuple[Figures, Memory]:
        """The row of one policy, and what it remembers at the end."""
        policy = fluid.Governed(scaling=scaling, most=MOST, delay_s=delay_s, began=self.began, memory=memory)
        run = fluid.governed(policy, self.arrivals, first=int(self.need[0]))
        return fluid.figures(run, self.need, delay_s), run.memory


def traces(directory: Path) -> list[Path]:
    """The files of a directory that are traces: two numbers in their second line."""
    return [path for path in sorted(directory.glob("*.csv")) if _rows(path, 2)]


def _rows(path: Path, most: int | None = None) -> list[tuple[float, float]]:
    with path.open(encoding="utf-8", newline="") as lines:
        try:
            return [(float(at), float(rate)) for at, rate in islice(csv.reader(lines), 1, most)]
        except ValueError:
            return []


def read(path: Path, hours: float) -> tuple[list[float], float]:
    """The rates of a trace and the length of a bin, at most so many hours from its middle on."""
    rows = _rows(path)
    if len(rows) < 2:
        raise SystemExit(f"{path} has no two rows of seconds and requests per second")
    resolution_s = rows[1][0] - rows[0][0]
    count = max(round(hours * 3600 / resolution_s), 2)
    begin = max(len(rows) - count, 0) // 2
    return [rate for _, rate in rows[begin : begin + count]], resolution_s


def averaged(rates: Sequence[float], resolution_s: float) -> list[float]:
    """The rates with so many bins averaged that one holds enough requests to scale."""
    count = max(1, int(np.ceil(ENOUGH / max(np.mean(rates) * resolution_s, 1e-9))))
    whole = np.asarray(rates[: len(rates) // count * count])
    return list(np.repeat(whole.reshape(-1, count).mean(axis=1), count))


def halves(path: Path, hours: float) -> tuple[Half, Half]:
    """The half to tune on and the half to score."""
    rates, resolution_s = read(path, hours)
    rates = averaged(rates, resolution_s)
    scale = INSTANCES * BUSY / fluid.TAKES_S / np.mean(rates)
    middle = len(rates) // 2
    parts = []
    for seed, (begin, end) in enumerate(((0, middle), (middle, len(rates))), 1):
        arrivals = fluid.redrawn(rates[begin:end], resolution_s, scale=scale, seed=seed)
        parts.append(Half(arrivals=arrivals, need=fluid.oracle(arrivals), began=begin * resolution_s))
    return parts[0], parts[1]


def chosen(settings: dict[str, Scaling], half: Half, delay_s: float) -> tuple[str, Memory]:
    """The setting that is best on a half, and what its policy remembers of it."""
    played = {name: half.played(scaling, delay_s) for name, scaling in settings.items()}
    rows = {name: row for name, (row, _) in played.items()}
    good = [name for name, row in rows.items() if row["bad windows %"] <= 1.0]
    best = min(good or rows, key=lambda name: rows[name]["hours" if good else "bad windows %"])
    return best, played[best][1]


def table(path: Path, delays_s: Sequence[float], hours: float) -> Iterator[tuple[float, str, str, Figures]]:
    """Delay, policy, its setting and its row, for one trace."""
    tuned, scored = halves(path, hours)
    for delay_s in delays_s:
        for policy, settings in POLICIES.items():
            setting, memory = chosen(settings, tuned, delay_s)
            yield delay_s, policy, setting, scored.played(settings[setting], delay_s, memory)[0]


def as_dear(half: Half, delay_s: float, hours: float) -> Figures:
    """What `kpa` does on a half with the target value at which it needs so many instance-hours, or nearly.

    Its hours fall with the target value up to where requests begin to wait; beyond, it panics ever more often and they
    rise. Only the falling part is searched: on the other one the same hours buy more bad requests.
    """
    tried = {target: half.played(knative(target), delay_s)[0] for target in KPA_TARGETS}
    low, high = 0.5, min(tried, key=lambda target: tried[target]["hours"])
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried[middle] = half.played(knative(middle), delay_s)[0]
        low, high = (middle, high) if tried[middle]["hours"] > hours else (low, middle)
    return min(tried.values(), key=lambda one: (abs(one["hours"] - hours), one["bad requests %"]))


def dearer(half: Half, delay_s: float, hours: float, ours: Figures, memory: Memory) -> Figures:
    """Where `kpa` cannot be as cheap as `adaptive`: its dearest row that is still as cheap as `kpa`."""
    rows = [half.played(scaling, delay_s, memory)[0] for scaling in POLICIES["adaptive"].values()]
    return max([ours, *(row for row in rows if row["hours"] <= ALIKE * hours)], key=lambda row: row["hours"])


def equal_hours(path: Path, delays_s: Sequence[float], hours: float) -> Iterator[tuple[float, Figures]]:
    """Delay and figures of `adaptive` beside `kpa` at the same hours, for one trace."""
    tuned, scored = halves(path, hours)
    for delay_s in delays_s:
        setting, memory = chosen(POLICIES["adaptive"], tuned, delay_s)
        ours = scored.played(POLICIES["adaptive"][setting], delay_s, memory)[0]
        theirs = as_dear(scored, delay_s, ours["hours"])
        if theirs["hours"] > ALIKE * ours["hours"]:
            ours = dearer(scored, delay_s, theirs["hours"], ours, memory)
        bad, its = ours["bad requests %"], theirs["bad requests %"]
        yield (
            delay_s,
            {
                "came again": float(sum(1 for burst in memory.adaptive.bursts if burst.came > 1)),
                "hours": ours["hours"],
                "kpa hours": theirs["hours"],
                "bad requests %": bad,
                "kpa bad requests %": its,
                "fewer %": 100 * (1 - bad / its) if its >= FEW_PERCENT else 0.0 if bad < FEW_PERCENT else -inf,
            },
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("traces", type=Path)
    parser.add_argument("--delays", type=float, nargs="*", default=list(DELAYS_S))
    parser.add_argument("--hours", type=float, default=4.0, help="how much of each trace is played")
    parser.add_argument("--equal-hours", action="store_true", help="only adaptive and kpa, at the same cost")
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    files = traces(options.traces)
    if not files:
        raise SystemExit(f"no traces in {options.traces}")
    found = beside_kpa(files, options) if options.equal_hours else scores(files, options)
    if options.save:
        save("equal_hours" if options.equal_hours else "autoscaling", found)


def scores(files: Sequence[Path], options: argparse.Namespace) -> dict[str, Figures]:
    """The whole table, printed as it comes."""
    found: dict[str, Figures] = {}
    say(f"{'trace':28} {'start':>5} {'policy':16} {'setting':16} " + " ".join(f"{name:>14}" for name in SHOWN))
    for path in files:
        for delay_s, policy, setting, row in table(path, options.delays, options.hours):
            found[json.dumps([path.stem, delay_s, policy, setting])] = row
            shown = " ".join(f"{row[name]:14.3g}" for name in SHOWN)
            say(f"{path.stem[:28]:28} {delay_s:5.3g} {policy:16} {setting:16} {shown}")
    return found


def beside_kpa(files: Sequence[Path], options: argparse.Namespace) -> dict[str, Figures]:
    """The table at equal hours."""
    found: dict[str, Figures] = {}
    for path in files:
        for delay_s, row in equal_hours(path, options.delays, options.hours):
            found[json.dumps([path.stem, delay_s])] = row
            if len(found) == 1:
                say(f"{'trace':28} {'start':>5} " + " ".join(f"{name:>18}" for name in row))
            say(f"{path.stem[:28]:28} {delay_s:5.3g} " + " ".join(f"{value:18.3g}" for value in row.values()))
    return found


if __name__ == "__main__":
    main()
