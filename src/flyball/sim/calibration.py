"""What instances of this application really do, from the journal of a live run and the balancer's access log.

Start, first check, stop and build are the times between what the loop asked for and what it saw. Processor time of a
request is what instances used, less what they use without requests, over what they answered. How requests differ is
what the access log says of those that found nobody at their instance: the others only show how long they waited.
What the machine does beside the instances comes from how busy it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from statistics import fmean, median

from pydantic import TypeAdapter

from flyball.core.control.replay import Recorded

from . import measured_load, measured_log
from .fitted import fitted
from .measured_log import Alone, less_rest, price_of_rest
from .measured_steps import Measured, Reading
from .numbers import (
    NOTHING,
    Machine,
    Numbers,
    ReleaseNumbers,
    RouteNumbers,
    Source,
    Table,
    constant,
    mean,
    of_samples,
    scaled,
    split,
)

LONGEST_KEPT = 3_600
MOST_POINTS = 300
ENOUGH_REQUESTS = 100
ENOUGH_OF_ROUTE = 30
ENOUGH_SAMPLES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured: of the machine, None where the journal does not tell, and of each service."""

    machine: Machine | None = None
    services: dict[str, Numbers] = field(default_factory=dict)


def calibrated(
    steps: Iterable[Recorded], lines: Iterable[str], assumed: Numbers, *, cores: int, load: str | None = None
) -> Calibration:
    """Numbers of every service that was seen, on a machine of so many cores; what was not measured is as assumed.

    `load`: what the last `flyball load` left, if there was one.
    """
    reading = Reading()
    for step in steps:
        reading.see(step)
    log = measured_log.read(lines, reading, measured_load.window(load))
    services: dict[str, Numbers] = {}
    least: list[float] = []
    for name, one in sorted(reading.found.items()):
        way, cold_way_s = measured_load.way(load, log.had.get(name, []))
        lone = [row for row in log.alone if row.service == name]
        numbers = _numbers(one, lone, assumed, way=way, cold=log.cold.get(name, 0.0))
        numbers = replace(numbers, cold_way_s=cold_way_s)
        rows = [rows for (service, _), rows in log.instances.items() if service == name]
        services[name], share = fitted(numbers, one.size, rows)
        least += [] if share is None else [share]
    machine = _machine(reading, cores)
    if machine is not None and least:
        machine = replace(machine, least=min(least))
    return Calibration(machine=machine, services=services)


def to_text(calibration: Calibration) -> str:
    """The calibration as a file."""
    return _adapter().dump_json(calibration, indent=1).decode() + "\n"


def from_text(text: str) -> Calibration:
    """The calibration of such a file. Raises ValueError."""
    return _adapter().validate_json(text)


@cache
def _adapter() -> TypeAdapter[Calibration]:
    """Made at the first use, so that a simulation without a calibration need not wait for it."""
    return TypeAdapter(Calibration)


def _machine(reading: Reading, cores: int) -> Machine | None:
    """What others used, as a straight line over the answers in a second."""
    moments = [one for one in reading.moments if not one.building]
    if len(moments) < ENOUGH_SAMPLES:
        return None
    others = [(one.answered, max(one.busy * cores - one.used, 0.0)) for one in moments]
    background, request_s = _line(others)
    return Machine(
        cores=float(cores),
        background=background,
        seconds=tuple(max(one - request_s * answered, 0.0) for answered, one in others[-LONGEST_KEPT:]),
        request_s=request_s,
        starting=reading.starting_cores,
        stall=of_samples(reading.late) if len(reading.late) >= ENOUGH_SAMPLES else NOTHING,
    )


def _line(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Where the straight line through them begins, and how it rises; neither is negative.

    The median of the rises between two points: other programs come and go, and must not look like a price of requests.
    https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator
    """
    few = points[:: 1 + len(points) // MOST_POINTS]
    rises = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(few, 2) if a[0] != b[0]]
    x, y = fmean(one for one, _ in points), fmean(one for _, one in points)
    rise = min(max(median(rises), 0.0), y / x) if rises and x > 0 else 0.0
    return max(y - rise * x, 0.0), rise


def _numbers(one: Measured, lone: list[Alone], assumed: Numbers, *, way: Table, cold: float) -> Numbers:
    """`cold`: what of the price of a rest requests paid on average."""
    known: dict[str, object] = {} if way == NOTHING else {"way": way}
    cold_s = price_of_rest((row.cold, row.took_s) for row in lone)
    if cold_s > 0:
        known["cold_s"] = cold_s
        lone = [replace(row, took_s=less_rest(row.took_s, cold_s * row.cold)) for row in lone]
    for name in ("start", "health", "stop"):
        samples = getattr(one, name)
        if samples:
            known[name] = of_samples(samples) if len(samples) >= ENOUGH_SAMPLES else constant(fmean(samples))
    if one.build:
        known["build_s"] = fmean(one.build)
    if len(one.memory) >= ENOUGH_SAMPLES:
        known["memory_percent"] = fmean(one.memory)
    known["idle"] = one.idle_cores
    releases = _releases(one, lone, assumed, cold_s * cold)
    if releases:
        newest = releases[-1]
        known |= {"work": newest.work, "wait": newest.wait, "routes": newest.routes, "releases": releases}
    shown = {
        "start": "start_s",
        "health": "health_s",
        "stop": "stop_s",
        "work": "work_ms",
        "wait": "wait_ms",
        "way": "way_ms",
        "cold_s": "cold_ms",
    }
    unseen = {"wait"} if not lone else set()
    sources = tuple((shown.get(name, name), Source.MEASURED) for name in known if name not in unseen)
    return replace(assumed, **known, sources=sources)  # type: ignore[arg-type]


def _releases(one: Measured, lone: list[Alone], assumed: Numbers, cold_s: float) -> tuple[ReleaseNumbers, ...]:
    """Of every release that answered enough requests, oldest first. `cold_s`: of its work, what was for rests."""
    found = []
    for release in sorted(one.busy):
        work_s = one.work_s(release)
        if work_s is not None and one.answers(release) >= ENOUGH_REQUESTS:
            rows = [row for row in lone if row.release in {release, None}]
            found.append(_release(release, less_rest(work_s, cold_s), rows, assumed))
    return tuple(found)


def _release(release: int, work_s: float, rows: list[Alone], assumed: Numbers) -> ReleaseNumbers:
    if len(rows) < ENOUGH_REQUESTS:
        return ReleaseNumbers(release=release, work=scaled(assumed.work, work_s / mean(assumed.work)), wait=NOTHING)
    took = of_samples([row.took_s for row in rows])
    work, wait = split(took, work_s)
    routes = _routes(rows, work_s, mean(took))
    return ReleaseNumbers(release=release, work=work, wait=wait, routes=routes)


def _routes(rows: list[Alone], work_s: float, took_s: float) -> tuple[RouteNumbers, ...]:
    """Each route's own times, where the service has several; its processor time is in proportion to what it took."""
    by_route: dict[str, list[float]] = {}
    for row in rows:
        by_route.setdefault(row.route, []).append(row.took_s)
    enough = {route: times for route, times in sorted(by_route.items()) if len(times) >= ENOUGH_OF_ROUTE}
    if len(enough) < 2:
        return ()
    total = sum(len(times) for times in enough.values())
    found = []
    for route, times in enough.items():
        took: Table = of_samples(times)
        work, wait = split(took, work_s * mean(took) / took_s)
        found.append(RouteNumbers(route=route, share=len(times) / total, work=work, wait=wait))
    return tuple(found)
