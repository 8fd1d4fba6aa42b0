"""`flyball tune`: the setting of a service that fits its traffic, as a table, a page, and lines in the file."""

from __future__ import annotations

import hashlib
import json as json_text
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zoneinfo import available_timezones

from flyball import __version__
from flyball.core.arrivals import RateCurve, parse_duration
from flyball.core.errors import FileError
from flyball.core.manifest import parse
from flyball.core.model import Application, Compute
from flyball.local.paths import NAME as STATE
from flyball.prices import place
from flyball.sim import IMAGINED, Numbers, on_aws
from flyball.sim.engines import Make, maker
from flyball.sim.fluid import fluid
from flyball.sim.numbers import Source, mean
from flyball.tune import (
    Candidate,
    Days,
    Found,
    Score,
    Search,
    Setting,
    Slo,
    Space,
    Store,
    days_of,
    measured,
    page,
    parse_slo,
    removed_or,
)
from flyball.tune.page import marked, verdict

from . import simulate, talk
from .files import find_file, load, read_text
from .overrides import replaced
from .rewriting import rewritten
from .trace_use import must_last

NOT_HELD = 1
TELL_EVERY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for."""

    service: str
    slo: str
    traces: tuple[Path, ...]
    scale: float
    request: str | None
    start: str | None
    sizes: tuple[float, ...]
    place: Literal["local", "aws"]
    budget: str
    runs: int | None
    seeds: int


def run(path: Path | None, asked: Asked, *, html: Path | None, write: bool, json: bool) -> int:
    """Search and report; 1 when nothing holds the SLO. Raises FileError for what cannot be searched."""
    file = find_file(path)
    slo = parse_slo(asked.slo)
    app = simulate.of_region(load(file), None)
    _must_be_felt(app, asked)
    simulate.must_be_writable(html)
    days = _days(app, asked)
    found = _search(file, app, asked, slo, days)
    if html is not None:
        simulate.write(html, page(found, f"{app.name}: {asked.service}"))
    text = read_text(file)
    if json:
        talk.emit(as_json(found))
    else:
        _print(found, text)
    if found.chosen is None:
        talk.say(f"{verdict(found)} A longer --budget tries more settings.", "bold red")
        return NOT_HELD
    if write:
        _write(file, text, found.chosen.setting)
    return 0


def _must_be_felt(app: Application, asked: Asked) -> None:
    names = [one.name for one in app.services]
    if asked.service not in names:
        raise FileError(f"there is no service {asked.service}; the file has: {', '.join(names)}")
    if not app.service(asked.service).routes:
        raise FileError(
            f"{asked.service} has no route: no request of users reaches it, so it has no latency to promise"
        )
    if not asked.traces:
        raise FileError("give the traffic: --trace FILE, twice for one day to learn from and one to check with")
    if asked.runs is not None and asked.runs < 1:
        raise FileError(f"--runs: 1 or more, not {asked.runs}")
    if parse_duration(asked.budget) <= 0:
        raise FileError("--budget: more than 0s")
    if not 1 <= asked.seeds <= 100:
        raise FileError(f"--seeds: 1 to 100, not {asked.seeds}")
    compute = place(app).compute
    if asked.sizes and compute is Compute.EC2:
        raise FileError("--size: on EC2 an instance is a whole machine; set compute to fargate, or leave the size")
    if any(cores <= 0 for cores in asked.sizes):
        raise FileError("--size: more than 0 cores")


def _days(app: Application, asked: Asked) -> Days:
    curves = [_curve(trace, asked) for trace in asked.traces]
    there = on_aws(app, {})[0] if asked.place == "aws" else app
    for trace, curve in zip(asked.traces, curves, strict=True):
        must_last(there, curve.duration_s / (1 if len(curves) > 1 else 2), trace)
    days = days_of(curves)
    for curve in (*days.train, *days.check):
        if curve.expected_requests < 1 / 0.01:
            raise FileError(
                f"a part of the traffic has {curve.expected_requests:.0f} requests, too few to judge an SLO"
            )
    return days


def _curve(trace: Path, asked: Asked) -> RateCurve:
    """What comes to the service: its own requests where the traffic tells them apart, else all."""
    coming = simulate.traffic(trace, None, scale=asked.scale, speed=1.0)
    if not coming.shares:
        return coming.curve
    share = dict(coming.shares).get(asked.service, 0.0)
    if share <= 0:
        raise FileError(f"{trace}: there is no request to {asked.service}")
    return coming.curve.changed(scale=share)


def _search(file: Path, app: Application, asked: Asked, slo: Slo, days: Days) -> Found:
    text = read_text(file)
    numbers = simulate.numbers_of(app, file, asked.request, asked.start)
    if Source.MEASURED not in dict(numbers[asked.service].sources).values():
        talk.say(f"{IMAGINED} Say what a request costs with --request, or measure it: flyball simulate --calibrate")
    if asked.place == "aws":
        numbers = on_aws(app, numbers)[1]
    measure = _measure(text, asked, slo, days, numbers)
    about = _about(text, asked, days, numbers[asked.service])
    store = Store(file.parent / STATE / f"tune-{asked.service}.jsonl", about)
    if store.resumed:
        talk.say(f"going on where a search was interrupted: {store.resumed} runs are done")
    return Search(
        space=_space(text, app, asked, days, numbers[asked.service]),
        slo=slo,
        measure=measure,
        store=store,
        days=(len(days.wide), len(days.train), len(days.check)),
        seeds=tuple(range(1, asked.seeds + 1)),
        spent=_clock(asked, store),
        tell=_teller(),
        cost=_cost(asked),
    ).run()


def _clock(asked: Asked, store: Store) -> Callable[[], float]:
    """Which share of the time, or of the runs, is over. Runs that were known before count too."""
    budget_s, begun = parse_duration(asked.budget), time.monotonic()
    if asked.runs is not None:
        most = asked.runs
        return lambda: store.used / most
    return lambda: (time.monotonic() - begun) / budget_s


def _cost(asked: Asked) -> Callable[[Score], float]:
    """Instance-hours; dollars where instances differ in size."""
    if not asked.sizes:
        return lambda score: score.instance_hours
    return lambda score: score.instance_hours if score.cost_usd is None else score.cost_usd


def _teller() -> Callable[[str], None]:
    last = [time.monotonic()]

    def tell(text: str) -> None:
        now = time.monotonic()
        if now - last[0] >= TELL_EVERY_S:
            last[0] = now
            talk.say(text)

    return tell


def _measure(
    text: str, asked: Asked, slo: Slo, days: Days, numbers: Mapping[str, Numbers]
) -> Callable[[Setting, str, int], Score | None]:
    curves: dict[str, tuple[RateCurve, ...]] = {"wide": days.wide, "train": days.train, "check": days.check}

    def measure(setting: Setting, day: str, seed: int) -> Score | None:
        """One run; None for a setting that the file refuses, or that AWS does not have."""
        try:
            app = simulate.of_region(parse(replaced(text, dict(setting)), timezones=available_timezones()), None)
        except FileError:
            return None
        if asked.place == "aws":
            app = on_aws(app, {})[0]
        kind, _, index = day.partition(" ")
        curve = curves[kind][int(index)]
        exact: Make = maker(curve.expected_requests)
        make = fluid if kind == "wide" else exact
        return measured(app, asked.service, curve, numbers[asked.service], slo=slo, seed=seed, make=make)

    return measure


def _about(text: str, asked: Asked, days: Days, numbers: Numbers) -> str:
    """What every run depends on, as one line."""
    whole = repr((__version__, text, asked.service, asked.slo, asked.place, days, numbers))
    return json_text.dumps({"about": hashlib.sha256(whole.encode()).hexdigest()})


def _space(text: str, app: Application, asked: Asked, days: Days, numbers: Numbers) -> Space:
    table = tomllib.loads(text)
    own = table.get("services", {}).get(asked.service, {}).get("scale", {})
    shared = table.get("defaults", {}).get("scale", {})
    there = on_aws(app, {})[0] if asked.place == "aws" else app
    service = there.service(asked.service)
    return Space(
        service=service,
        scale={**shared, **own},
        inherited=frozenset(shared) - frozenset(own),
        per_s=min(service.size.cpu, numbers.peak) / max(mean(numbers.work), 1e-9),
        peak_per_s=max(one.peak_rate for one in (*days.train, *days.check)),
        slo=asked.slo,
        on_aws=asked.place == "aws",
        machines=place(app).compute is Compute.EC2,
        sizes=asked.sizes,
    )


def as_json(found: Found) -> dict[str, object]:
    """What `--json` promises, and what stands beside it."""
    return {
        "slo": found.slo.text,
        "front": [_candidate_json(one) for one in found.front],
        "today": _candidate_json(found.today),
        "chosen": None if found.chosen is None else _candidate_json(found.chosen),
        "nearest": _candidate_json(found.nearest),
        "tried": found.tried,
    }


def _candidate_json(one: Candidate) -> dict[str, object]:
    score = one.shown
    return {
        "set": dict(one.setting),
        "instance_hours": round(score.instance_hours, 6),
        "cost_usd": None if score.cost_usd is None else round(score.cost_usd, 6),
        "bad_requests": round(score.bad, 1),
        "requests": round(score.requests, 1),
        "bad_share": round(score.worst, 6),
        "p99_ms": score.p99_ms,
        "learned_from": {"instance_hours": round(one.train.instance_hours, 6), "bad_share": round(one.train.worst, 6)},
    }


def _print(found: Found, text: str) -> None:
    shown = list(dict.fromkeys((*found.front, found.today, found.chosen or found.nearest)))
    rows = [_row(one, found) for one in sorted(shown, key=lambda candidate: candidate.shown.instance_hours)]
    talk.table(("", "instance-hours", "US dollars", "bad requests", "share", "p99 ms", "setting"), rows)
    if found.chosen is None:
        return
    print(f"\n{verdict(found)}")
    if not found.chosen.setting:
        print("\nThe file needs no change.")
        return
    print("\nChange in the file:")
    table = tomllib.loads(text)
    for key, value in found.chosen.setting:
        before = _before(table, key)
        was = "" if before is None else f"    # was {json_text.dumps(before)}"
        print(f"  {key} = {removed_or(value) if value is None else json_text.dumps(value)}{was}")


def _row(one: Candidate, found: Found) -> list[object]:
    score = one.shown
    usd = "-" if score.cost_usd is None else f"{score.cost_usd:.4g}"
    p99 = "-" if score.p99_ms is None else f"{score.p99_ms:.4g}"
    prefix = "".join(f"{part}." for part in ("services", *([one.setting[0][0].split(".")[1]] if one.setting else [])))
    words = ", ".join(f"{key.removeprefix(prefix)} = {removed_or(value)}" for key, value in one.setting)
    return [
        marked(one, found),
        f"{score.instance_hours:.4g}",
        usd,
        f"{score.bad:.0f}",
        f"{score.worst:.3%}",
        p99,
        words or "as it is",
    ]


def _before(table: Mapping[str, Any], key: str) -> Any:
    node: Any = table
    for part in key.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _write(file: Path, text: str, setting: Setting) -> None:
    """The chosen lines into the file. What they say is first compared with what was rehearsed."""
    if not setting:
        talk.say(f"{file.name} stays as it is")
        return
    made = rewritten(text, dict(setting))
    zones = available_timezones()
    assert parse(made, timezones=zones) == parse(replaced(text, dict(setting)), timezones=zones)
    if read_text(file) != text:
        raise FileError(f"{file.name} was changed while the search ran; nothing was written")
    simulate.write(file, made)
    talk.say(f"{file.name} is written; `flyball deploy` makes it so")
