"""`flyball simulate`: rehearse traffic in virtual time and say what users would feel."""

from __future__ import annotations

import hashlib
import json as json_text
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Literal, TypedDict, Unpack
from zoneinfo import available_timezones

from flyball import __version__
from flyball.core.arrivals import RateCurve, parse_duration, parse_stages
from flyball.core.errors import FileError
from flyball.core.manifest import parse
from flyball.core.model import Application
from flyball.core.model.edge import in_region
from flyball.load import Trace, read_trace
from flyball.local.face import Journal
from flyball.local.paths import NAME as STATE
from flyball.local.paths import StateDirectory
from flyball.parity import World, unhonoured
from flyball.parity.simulated import NO_PROGRAM
from flyball.prices import Use, bill, total
from flyball.sim import (
    ASSUMED,
    NEXT_SEED,
    Calibration,
    Fault,
    Numbers,
    Plan,
    Rehearsal,
    Result,
    Rollout,
    Several,
    calibrated,
    edge_on_aws,
    faults_of,
    from_text,
    given,
    on_aws,
    page,
    parse_faults,
    region_lines,
    rehearse,
    report_lines,
    to_text,
    visitors_of,
)
from flyball.sim.engines import is_slow

from . import talk
from .files import find_file, find_running, read_text
from .overrides import changed
from .parts import parts

CALIBRATION = "calibration.json"
LONGEST_S = 366 * 86_400.0
PROGRESS_EVERY_S = 2.0


def run(
    path: Path | None,
    *,
    trace: Path | None = None,
    stages: str | None = None,
    speed: float = 1.0,
    scale: float = 1.0,
    settings: Sequence[str] = (),
    compare: bool = False,
    html: Path | None = None,
    keep: Path | None = None,
    json: bool = False,
    **asked: Unpack[Given],
) -> int:
    """Simulate and report. Raises FileError for what cannot be simulated."""
    wanted = Asked(file=find_file(path), coming=traffic(trace, stages, scale=scale, speed=speed), **asked)
    if compare and not (settings or wanted.deploy or wanted.faults or wanted.place == "aws"):
        raise FileError("--compare shows the file as it is beside a change: give --set, --deploy, --fault or --as aws")
    app, about = wanted.application(settings)
    wanted.must_fit(app)
    _say_left_out(app)
    before = wanted.found(wanted.application(())[0], None, usual=True) if compare else None
    found = wanted.found(app, keep)
    usual = None if before is None else before.result
    if html is not None:
        write(html, page(found.result, app.name, about, usual))
    if json:
        beside = {} if before is None else {"before": before.as_json()}
        print(json_text.dumps({**found.as_json(), **about, **beside}))
    else:
        lines = report_lines(found.result, app.name, about, usual)
        print("\n".join([*lines, *(() if found.several is None else region_lines(found.several))]))
    return 0


class Given(TypedDict, total=False):
    """Options that say what is simulated."""

    seed: int
    service: str | None
    request: str | None
    start: str | None
    faults: Sequence[str]
    deploy: str | None
    slower: float
    failing: str
    place: Literal["local", "aws"]
    region: str | None
    visitors: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a simulation found; with several regions also each of them."""

    result: Result
    several: Several | None = None

    def as_json(self) -> dict[str, object]:
        """See docs/reference/simulate.md."""
        return self.result.as_json() | ({} if self.several is None else self.several.as_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be simulated. `visitors`: where they are, if the file has several regions and all are simulated."""

    file: Path
    coming: Trace
    seed: int = 0
    service: str | None = None
    request: str | None = None
    start: str | None = None
    faults: Sequence[str] = ()
    deploy: str | None = None
    slower: float = 1.0
    failing: str = "0%"
    place: Literal["local", "aws"] = "local"
    region: str | None = None
    visitors: str | None = None

    def application(self, changes: Sequence[str]) -> tuple[Application, dict[str, str]]:
        """The application with these settings, and which file that was."""
        text = changed(read_text(self.file), changes)
        name = f"{self.file.name} with --set" if changes else self.file.name
        app = parse(text, filename=name, timezones=available_timezones())
        return app, {"version": __version__, "file_sha256": hashlib.sha256(text.encode()).hexdigest()}

    def must_fit(self, app: Application) -> None:
        """Raise FileError for what has no meaning without several regions."""
        if self.visitors is not None and not self._several(app):
            raise FileError("--from says where visitors are when several regions are simulated; here is only one")

    def _several(self, app: Application) -> bool:
        return self.region is None and len(app.regions) > 1

    def found(self, app: Application, keep: Path | None, *, usual: bool = False) -> Found:
        """Simulate it; `usual`: without anything that is out of the ordinary."""
        rollouts = () if usual else _rollouts(app, self.service, self.deploy, self.slower, self.failing)
        if not self._several(app):
            one = of_region(app, self.region)
            broken = (
                [] if usual else [fault for text in self.faults for fault in parse_faults(text, one, seed=self.seed)]
            )
            return Found(result=rehearsed(self._plan(one, rollouts, broken, usual=usual), keep))
        if self.place == "aws" and not usual:
            app = edge_on_aws(app)
        faults = () if usual else tuple(faults_of(text, app, seed=self.seed) for text in self.faults)

        def run(name: str, curve: RateCurve, releases: tuple[Rollout, ...], *, last: bool) -> Result:
            broken = [one for fault in faults for one in fault.of(name)]
            plan = self._plan(of_region(app, name), releases, broken, usual=usual)
            seed = self.seed + NEXT_SEED * app.region_names.index(name)
            return rehearsed(replace(plan, curve=curve, seed=seed), keep / name if keep and last else None)

        outages = [fault.outage for fault in faults if fault.outage is not None]
        places = visitors_of(self.visitors, app)
        several = rehearse(app, self.coming.curve, visitors=places, outages=outages, rollouts=rollouts, run=run)
        return Found(result=several.together(), several=several)

    def _plan(self, app: Application, rollouts: tuple[Rollout, ...], broken: Sequence[Fault], *, usual: bool) -> Plan:
        numbers, machine = numbers_of(app, self.file, self.request, self.start), calibration_of(self.file).machine
        if self.place == "aws" and not usual:
            app, numbers = on_aws(app, numbers)
            machine = None  # there every instance has its own
        return Plan(
            app=app,
            curve=self.coming.curve,
            seed=self.seed,
            numbers=numbers,
            shares=shares(app, self.service, self.coming),
            machine=machine,
            rollouts=rollouts,
            faults=tuple(broken),
        )


def _say_left_out(app: Application) -> None:
    """What of the file the simulator knows nothing of, as far as it may matter to visitors."""
    for line in unhonoured(app, World.SIMULATED):
        if line.startswith(("services.", "listener.")) and not line.endswith(NO_PROGRAM.reason):
            talk.say(f"not simulated: {line}", "dim")


def of_region(app: Application, region: str | None) -> Application:
    """One region, which gets all the traffic: the primary one unless another is named."""
    if not app.region_names or (region is None and len(app.regions) < 2):
        return app
    name = region or app.region_names[0]
    if name not in {one.name for one in app.regions}:
        raise FileError(f"there is no region {name!r}; choose from: {', '.join(app.region_names)}")
    return replace(in_region(app, name), regions=())


def write(path: Path, text: str) -> None:
    """All of it or nothing."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


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
    begun = time.monotonic()
    last = [begun]

    def tell(done_s: float) -> None:
        now = time.monotonic()
        if now - last[0] >= PROGRESS_EVERY_S:
            last[0] = now
            left_s = (now - begun) / done_s * (duration_s - done_s)
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


def _rollouts(
    app: Application, service: str | None, deploy: str | None, slower: float, failing: str
) -> tuple[Rollout, ...]:
    if deploy is None:
        if slower != 1.0 or failing != "0%":
            raise FileError("--slower and --failing say what the release of --deploy does; give --deploy, such as 300s")
        return ()
    names = [one.name for one in app.services]
    if service is None and len(names) > 1:
        raise FileError(f"which service gets the new release? Name it with --service: {', '.join(names)}")
    share = failing.removesuffix("%")
    if not share.replace(".", "", 1).isdigit() or not 0 <= float(share) <= 100:
        raise FileError(f'--failing: "{failing}" is not a share; write 5%, for example')
    if not (isfinite(slower) and slower > 0):
        raise FileError(f"--slower is more than 0, not {slower:g}")
    at_s = parse_duration(deploy)
    return (Rollout(service=service or names[0], at_s=at_s, slower=slower, failing=float(share) / 100),)


def numbers_of(app: Application, file: Path, request: str | None, start: str | None) -> dict[str, Numbers]:
    """What was measured of each service, else what is assumed; and over it what the command line says."""
    measured = calibration_of(file).services
    request_s = None if request is None else parse_duration(request)
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
