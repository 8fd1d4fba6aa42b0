"""What a trace would use on AWS: it is rehearsed with AWS's clock, and the hours of its instances are counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from flyball.core.errors import FileError
from flyball.core.model import Application
from flyball.core.view.rows import Moment
from flyball.prices import Past, summed
from flyball.sim import Numbers, Plan, Result, on_aws
from flyball.sim.numbers import mean

from . import simulate


def simulated(app: Application, file: Path, trace: Path, *, scale: float, stored: Mapping[str, float]) -> Past:
    """The past that the trace would have been. Raises FileError for a trace that cannot be rehearsed."""
    coming = simulate.traffic(trace, None, scale=scale, speed=1.0)
    there, numbers = on_aws(app, simulate.numbers_of(app, file, None, None))
    must_last(there, coming.curve.duration_s, trace)
    plan = Plan(app=there, curve=coming.curve, seed=0, numbers=numbers, shares=simulate.shares(app, None, coming))
    result = simulate.rehearsed(plan, None)
    return summed(there, _moments(there, result, numbers), each_s=result.bin_s, stored=stored)


def must_last(app: Application, duration_s: float, trace: Path) -> None:
    """Raise FileError when traffic ends before the first datapoint."""
    for service in app.services:
        if duration_s < service.scaling.period_s:
            raise FileError(
                f"{trace}: it lasts {duration_s:g} s, shorter than one period of {service.name}"
                f" ({service.scaling.period_s:g} s): no policy would see a datapoint"
            )


def _moments(app: Application, result: Result, numbers: Mapping[str, Numbers]) -> Iterator[Moment]:
    """Each bin, with the CPU that its requests need."""
    for service in app.services:
        work_s = mean(numbers[service.name].work)
        for row in result.timeline(service.name):
            serving, rate = row["in_service"] or 0, row["rps"] or 0.0
            cpu = min(100.0, 100 * rate * work_s / (service.size.cpu * serving)) if serving else None
            memory = numbers[service.name].memory_percent
            seen = {"in_service": serving, "rps": rate, "cpu": cpu, "memory": memory}
            yield Moment(float(row["t"] or 0), service.name, seen)
