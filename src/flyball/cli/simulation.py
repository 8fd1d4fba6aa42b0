"""`flyball simulate`, from what is asked to the report: of one region, or of several behind their edge."""

from __future__ import annotations

import hashlib
import json as json_text
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypedDict, Unpack
from zoneinfo import available_timezones

from flyball import __version__
from flyball.core.arrivals import RateCurve
from flyball.core.errors import FileError
from flyball.core.manifest import parse
from flyball.core.model import Application
from flyball.load import Trace
from flyball.parity import World, unhonoured
from flyball.parity.simulated import NO_PROGRAM
from flyball.sim import (
    NEXT_SEED,
    Fault,
    Plan,
    Result,
    Rollout,
    Several,
    edge_on_aws,
    faults_of,
    on_aws,
    page,
    parse_faults,
    region_lines,
    rehearse,
    report_lines,
    visitors_of,
)

from . import talk
from .files import find_file, read_text
from .overrides import changed
from .simulate import (
    calibration_of,
    must_be_writable,
    numbers_of,
    of_region,
    of_release,
    only,
    rehearsed,
    rollouts_of,
    shares,
    to_release,
    traffic,
    write,
)


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
    must_be_writable(html)
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
    release: int | None
    deploy: str | None
    to: int | None
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
    release: int | None = None
    deploy: str | None = None
    to: int | None = None
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
        rollouts = () if usual else self._rollouts(app)
        if not self._several(app):
            one = of_region(app, self.region)
            broken = [] if usual else [fault for text in self.faults for fault in self._broken(text, one)]
            return Found(result=rehearsed(self._plan(one, rollouts, broken, usual=usual), keep))
        if self.place == "aws" and not usual:
            app = edge_on_aws(app)
        faults = () if usual else tuple(faults_of(text, app, seed=self.seed) for text in self.faults)
        for text, fault in zip(self.faults, faults, strict=False):
            self._must_come(f'--fault: "{text}"', fault.faults[0].at_s)

        def run(name: str, curve: RateCurve, releases: tuple[Rollout, ...], *, last: bool) -> Result:
            broken = [one for fault in faults for one in fault.of(name)]
            plan = self._plan(of_region(app, name), releases, broken, usual=usual)
            seed = self.seed + NEXT_SEED * app.region_names.index(name)
            return rehearsed(replace(plan, curve=curve, seed=seed), keep / name if keep and last else None)

        outages = [fault.outage for fault in faults if fault.outage is not None]
        places = visitors_of(self.visitors, app)
        several = rehearse(app, self.coming.curve, visitors=places, outages=outages, rollouts=rollouts, run=run)
        return Found(result=several.together(), several=several)

    def _broken(self, text: str, app: Application) -> tuple[Fault, ...]:
        faults = parse_faults(text, app, seed=self.seed)
        self._must_come(f'--fault: "{text}"', faults[0].at_s)
        return faults

    def _must_come(self, what: str, at_s: float) -> None:
        """Raise FileError for what comes after the end of the traffic."""
        if at_s > self.coming.curve.duration_s:
            raise FileError(f"{what} comes too late: the traffic is over after {self.coming.curve.duration_s:g} s")

    def _rollouts(self, app: Application) -> tuple[Rollout, ...]:
        numbers = numbers_of(app, self.file, self.request, self.start)
        rollouts = rollouts_of(app, self.service, self.deploy, self.slower, self.failing)
        for rollout in rollouts:
            self._must_come(f"--deploy {self.deploy}", rollout.at_s)
        return to_release(rollouts, numbers, self.to)

    def _plan(self, app: Application, rollouts: tuple[Rollout, ...], broken: Sequence[Fault], *, usual: bool) -> Plan:
        numbers, machine = numbers_of(app, self.file, self.request, self.start), calibration_of(self.file).machine
        if self.release is not None:
            numbers |= of_release(numbers, only(app, self.service), self.release)
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
