"""What `flyball simulate` needs: the traffic, what was measured, releases; and one run of a plan."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from flyball.core.arrivals import RateCurve, parse_duration, parse_stages
from flyball.core.errors import FileError
from flyball.core.model import Application
from flyball.core.model.edge import in_region
from flyball.load import Trace, read_trace
from flyball.local.paths import NAME as STATE
from flyball.local.paths import StateDirectory
from flyball.prices import Use, bill, total
from flyball.sim import (
    ASSUMED,
    Calibration,
    Numbers,
    Plan,
    Rehearsal,
    Result,
    Rollout,
    calibrated,
    from_text,
    given,
    to_text,
)
from flyball.sim.engines import is_slow

if TYPE_CHECKING:
    from flyball.local.face import Journal

# All that runs an application takes half a second to import, and only a journal needs it.
# ruff: noqa: PLC0415

from . import talk
from .files import find_running

CALIBRATION = "calibration.json"
LONGEST_S = 366 * 86_400.0
PROGRESS_EVERY_S = 2.0


def of_region(app: Application, region: str | None) -> Application:
    """One region, which gets all the traffic: the primary one unless another is named."""
    if not app.region_names or (region is None and len(app.regions) < 2):
        return app
    name = region or app.region_names[0]
    if name not in {one.name for one in app.regions}:
        raise FileError(f"there is no region {name!r}; choose from: {', '.join(app.region_names)}")
    return replace(in_region(app, name), regions=())


def write(path: Path, text: str) -> None:
    """Write a file, all or nothing; its mode and the target of a link stay."""
    real = path.resolve()
    beside = real.with_name(f".{real.name}.new")
    beside.write_text(text, encoding="utf-8")
    if real.exists():
        beside.chmod(real.stat().st_mode)
    beside.replace(real)


def must_be_writable(html: Path | None) -> None:
    """Check before the long run that the page can be written. Raises FileError."""
    if html is not None and html.is_dir():
        raise FileError(f"--html {html} is a directory; name a file, such as {html / 'report.html'}")
    if html is not None and not html.parent.is_dir():
        raise FileError(f"--html {html}: there is no directory {html.parent}")


def rehearsed(plan: Plan, keep: Path | None) -> Result:
    """Run a plan, with progress on stderr."""
    if is_slow(plan.curve.expected_requests):
        talk.say("this takes long; `pip install 'flyball[simulate]'` makes it many times as fast")
    progress = _progress(plan.curve.duration_s)
    if keep is None:
        result = Rehearsal(plan, progress=progress).run()
    else:
        with _new_journal(keep) as journal:
            result = Rehearsal(plan, progress=progress, record=journal.record).run()
    return replace(result, cost_usd=_cost_usd(plan.app, result))


def _cost_usd(app: Application, result: Result) -> float | None:
    """What it would have cost on AWS; None where there is no price."""
    use = Use(hours=result.duration_s / 3_600, instance_hours=result.hours, requests=float(result.requests))
    try:
        return round(total(bill(app, use)), 6)
    except FileError:
        return None


@contextmanager
def _new_journal(directory: Path) -> Iterator[Journal]:
    """A journal of its own: that of an application that runs is not written over. All of it is kept, or nothing."""
    from flyball.local.face import Journal

    home = StateDirectory(directory / STATE)
    if home.journal.exists():
        raise FileError(f"{home.journal} exists already; keep the simulation in another directory")
    home.root.mkdir(parents=True, exist_ok=True)
    try:
        with closing(Journal(home.journal)) as journal:
            yield journal
    except BaseException:  # Ctrl-C, too
        for part in home.root.glob(f"{home.journal.name}*"):
            part.unlink()
        raise


def _progress(duration_s: float) -> Callable[[float], None]:
    """Says how long it still takes, from the second call on; before the first one the engine is loaded."""
    first: list[tuple[float, float]] = []
    last = [time.monotonic()]

    def tell(done_s: float) -> None:
        now = time.monotonic()
        first[:] = first or [(now, done_s)]
        begun, from_s = first[0]
        if now - last[0] >= PROGRESS_EVERY_S and done_s > from_s:
            last[0] = now
            left_s = (now - begun) / (done_s - from_s) * (duration_s - done_s)
            talk.say(f"simulated {done_s / duration_s:.0%}, about {left_s:.0f} s left")

    return tell


def shares(app: Application, service: str | None, coming: Trace) -> dict[str, float]:
    """Which service gets the traffic: the named one, those of the log, or all with routes alike. Raises FileError."""
    names = [one.name for one in app.services]
    if service is not None:
        if service not in names:
            raise FileError(f"there is no service {service}; the file has: {', '.join(names)}")
        return {service: 1.0}
    known = {name: share for name, share in coming.shares if name in names}
    if known:
        return {name: share / sum(known.values()) for name, share in known.items()}
    routed = [one.name for one in app.services if one.routes]
    if not routed:
        raise FileError("no service has a route, so no traffic reaches any; name one with --service")
    return dict.fromkeys(routed, 1.0 / len(routed))


def only(app: Application, service: str | None) -> str:
    """The service that a release is of."""
    names = [one.name for one in app.services]
    if service is None and len(names) > 1:
        raise FileError(f"which service's release? Name it with --service: {', '.join(names)}")
    return service or names[0]


def of_release(numbers: Mapping[str, Numbers], service: str, release: int) -> dict[str, Numbers]:
    """The service's numbers at a release that was measured."""
    try:
        return {service: numbers[service].of_release(release)}
    except KeyError:
        known = ", ".join(f"{one.release}" for one in numbers[service].releases) or "none; flyball simulate --calibrate"
        raise FileError(f"release {release} of {service} was not measured; measured are: {known}") from None


def rollouts_of(
    app: Application, service: str | None, deploy: str | None, slower: float, failing: str
) -> tuple[Rollout, ...]:
    """The release of `--deploy`, and what it does to requests. Raises FileError."""
    if deploy is None:
        if slower != 1.0 or failing != "0%":
            raise FileError("--slower and --failing say what the release of --deploy does; give --deploy, such as 300s")
        return ()
    name = only(app, service)
    share = failing.removesuffix("%")
    if not share.replace(".", "", 1).isdigit() or not 0 <= float(share) <= 100:
        raise FileError(f'--failing: "{failing}" is not a share; write 5%, for example')
    if not (isfinite(slower) and slower > 0):
        raise FileError(f"--slower is more than 0, not {slower:g}")
    at_s = parse_duration(deploy)
    return (Rollout(service=name, at_s=at_s, slower=slower, failing=float(share) / 100),)


def to_release(
    rollouts: tuple[Rollout, ...], numbers: Mapping[str, Numbers], release: int | None
) -> tuple[Rollout, ...]:
    """The rollouts, to a release that was measured."""
    if release is None:
        return rollouts
    if not rollouts:
        raise FileError("--to says which measured release is deployed; say when with --deploy, such as 300s")
    measured = [of_release(numbers, one.service, release)[one.service] for one in rollouts]
    return tuple(replace(one, numbers=found) for one, found in zip(rollouts, measured, strict=True))


def numbers_of(app: Application, file: Path, request: str | None, start: str | None) -> dict[str, Numbers]:
    """What was measured of each service, else what is assumed; and over it what the command line says."""
    measured = calibration_of(file).services
    request_s = None if request is None else parse_duration(request)
    if request_s == 0:
        raise FileError(f"--request: more than 0, not {request}")
    start_s = None if start is None else parse_duration(start)
    return {
        one.name: given(measured.get(one.name, ASSUMED), request_s=request_s, start_s=start_s) for one in app.services
    }


def calibration_of(file: Path) -> Calibration:
    """What was measured beside the file; nothing, if nothing was. Raises FileError."""
    path = file.parent / STATE / CALIBRATION
    if not path.exists():
        return Calibration()
    try:
        return from_text(path.read_text(encoding="utf-8"))
    except ValueError:
        raise FileError(f"{path} cannot be read; write it anew with: flyball simulate --calibrate") from None


def calibrate(path: Path | None) -> int:
    """Measure from the journal and the access log of the application here, and keep it beside them."""
    from flyball.local.face import Journal

    from .parts import parts

    file = find_running(path)
    place = parts(file)[0].paths  # of regions the first: their instances are alike
    if not place.journal.exists():
        raise FileError(f"there is no journal in {place.root}; run the application with traffic first: flyball up")
    log = place.logs / "access.log"
    lines = log.open(encoding="utf-8", errors="replace") if log.exists() else nullcontext(())
    with closing(Journal(place.journal)) as journal, lines as rows:
        load = place.load_file.read_text(encoding="utf-8") if place.load_file.exists() else None
        found = calibrated(journal.steps(), rows, ASSUMED, cores=os.cpu_count() or 1, load=load)
    if not found.services:
        raise FileError(f"the journal in {place.root} has no instance that started; nothing can be measured")
    made = file.parent / STATE / CALIBRATION
    beside = made.with_suffix(".new")
    beside.write_text(to_text(found), encoding="utf-8")
    beside.replace(made)
    for what, figure in found.machine.told().items() if found.machine else ():
        print(f"{'machine':<12}  {what:<16}{figure:>12}  measured")
    for name, one in found.services.items():
        for what, told in one.told().items():
            value = told["value"]
            shown = value.get("mean", value.get("share")) if isinstance(value, dict) else value
            print(f"{name:<12}  {what:<16}{'unlimited' if shown is None else shown:>12}  {told['source']}")
    return 0


def traffic(trace: Path | None, stages: str | None, *, scale: float, speed: float) -> Trace:
    """What a trace or stages say comes. Raises FileError."""
    if (trace is None) == (stages is None):
        found = "none" if trace is None else "both"
        raise FileError(f"give exactly one of --trace FILE and --stages 50:1m,400:3m; found {found}")
    if stages is not None:
        coming = Trace(curve=parse_stages(stages))
    else:
        assert trace is not None
        coming = read_trace(trace)
        if not coming.is_log:
            _refuse_gaps(coming.curve, trace)
    curve = coming.curve.changed(scale=scale, speed=speed)
    if curve.duration_s > LONGEST_S:
        raise FileError(f"the traffic lasts {curve.duration_s / 86_400:.3g} days; at most 366 can be simulated")
    if curve.expected_requests == 0:
        raise FileError("the traffic has no requests")
    return replace(coming, curve=curve)


def _refuse_gaps(curve: RateCurve, trace: Path) -> None:
    """A trace whose rows are equally far apart but for a hole: what came in the hole is not known."""
    lengths = [stage.duration_s for stage in curve.stages]
    usual = median(lengths)
    even = Counter(abs(length - usual) < usual / 100 for length in lengths)[True]
    if len(lengths) < 10 or even < 0.8 * len(lengths):
        return
    at = 0.0
    for length in lengths:
        if length > 1.5 * usual:
            raise FileError(
                f"{trace}: there is a gap of {length:g} s after {at:g} s, while rows are {usual:g} s apart;"
                " fill it with rows, of 0 requests per second where nothing came"
            )
        at += length
