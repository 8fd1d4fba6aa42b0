"""`flyball cost`: what the application costs on AWS, by the hour and the month, and what would save."""

from __future__ import annotations

import json as json_text
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from flyball.aws.sizes import fargate_size
from flyball.core.errors import FileError, NotRunning
from flyball.core.manifest.units import size
from flyball.core.model import Application, StoreKind
from flyball.local.face import Reader
from flyball.local.paths import NAME as STATE
from flyball.local.paths import StateDirectory
from flyball.prices import (
    HOURS,
    Habits,
    Kind,
    Line,
    Past,
    Saving,
    Use,
    at_max,
    at_min,
    bill,
    instance_usd,
    place,
    prices,
    savings,
    spread,
    summed,
    total,
)

from . import talk
from .client import Control
from .files import find_file, load
from .ps import of_region
from .trace_use import simulated

if TYPE_CHECKING:
    from flyball.core.view.shapes import ApplicationJson

WEEK_S = 7 * 86_400.0
MINUTE_S = 60.0
LOG_LINES = 2_000
"""The newest requests of the access log say how large answers are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Dollars an hour for what does nothing."""

    what: str
    hour: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is shown. `now` is None when nothing runs, `past` when no traffic is known."""

    app: Application
    habits: Habits
    now: Use | None
    past: Past | None
    source: str
    idle: tuple[Idle, ...]
    savings: tuple[Saving, ...]

    def lines(self, use: Use) -> tuple[Line, ...]:
        """The bill of a use."""
        return bill(self.app, use, self.habits)

    def hours(self) -> dict[str, float | None]:
        """Dollars an hour now and at both bounds."""
        return {
            "now": None if self.now is None else total(self.lines(self.now)),
            "min": total(self.lines(at_min(self.app))),
            "max": total(self.lines(at_max(self.app))),
        }

    @property
    def per_million(self) -> float:
        """What a million requests cost beside the instances that serve them."""
        use = replace(at_min(self.app), requests=1e6)
        return sum(line.usd for line in self.lines(use) if line.kind is Kind.REQUESTS)


def run(
    path: Path | None, *, trace: Path | None, scale: float, region: str | None, response: str | None, json: bool
) -> int:
    """Print the report. Raises FileError for a region or a machine without a price, and for a bad trace."""
    file = find_file(path)
    app = _in_region(load(file), region)
    bill(app, at_min(app))  # what has no price is refused before anything is simulated
    paths = StateDirectory(file.parent / STATE)
    stored = _stored(app, paths)
    past = _week(app, paths, stored) if trace is None else simulated(app, file, trace, scale=scale, stored=stored)
    report = Report(
        app=app,
        habits=_habits(paths, response),
        now=None if (running := _running(file)) is None else _now(running, stored),
        past=past,
        source="journal" if trace is None else "trace",
        idle=tuple(_idle(app, running)),
        savings=savings(app, past, fargate_size),
    )
    if json:
        talk.emit(as_json(report))
    else:
        _print(report)
    return 0


def _in_region(app: Application, region: str | None) -> Application:
    if region is None:
        return app
    prices(region)
    return replace(app, aws=replace(place(app), region=region), regions=())


def _running(file: Path) -> ApplicationJson | None:
    """The application as it runs; of several regions the primary one, since the others are priced as waiting."""
    try:
        told = Control(file).application()
    except NotRunning:
        return None
    names = [one["name"] for one in told.get("regions", ())]
    return of_region(told, names[0]) if names else told


def _now(running: ApplicationJson, stored: Mapping[str, float]) -> Use:
    rates = [one["metrics"]["requests_per_second"] or 0.0 for one in running["services"]]
    return Use(
        instance_hours={one["name"]: float(len(one["instances"])) for one in running["services"]},
        requests=sum(rates) * 3_600,
        stored=stored,
    )


def _idle(app: Application, running: ApplicationJson | None) -> Iterator[Idle]:
    """Paid and not used: of the instances that run, the CPU that is free; without any, the whole minimum."""
    aws = place(app)
    if running is None:
        for service in app.services:
            if service.capacity.min:
                hour = service.capacity.min * instance_usd(service, aws)
                yield Idle(what=f"{service.capacity.min} of {service.name} without a request", hour=hour)
    for one in () if running is None else running["services"]:
        cpu, count = one["metrics"]["cpu_percent"], len(one["instances"])
        known = next((service for service in app.services if service.name == one["name"]), None)
        if known is not None and cpu is not None and count:
            free = max(0.0, 1 - cpu / 100)
            yield Idle(what=f"{free:.0%} of {count} of {one['name']}", hour=free * count * instance_usd(known, aws))
    fixed = sum(line.usd for line in bill(app, at_min(app)) if line.kind is Kind.FIXED)
    yield Idle(what="network, stores and firewall, which cost the same without a request", hour=fixed)


def _week(app: Application, paths: StateDirectory, stored: Mapping[str, float]) -> Past | None:
    """What the journal knows of the last seven days."""
    if not paths.journal.exists():
        return None
    now = time.time()
    with closing(Reader(paths.journal)) as reader:
        moments = reader.history(since=now - WEEK_S, until=now, resolution=60)
    found = summed(app, moments, each_s=MINUTE_S, stored=stored)
    return found if found.services else None


def _stored(app: Application, paths: StateDirectory) -> dict[str, float]:
    """Bytes of each table and bucket that lie here."""
    found = {}
    for store in app.stores:
        place_of = paths.stores / (f"{store.name}.db" if store.kind is StoreKind.TABLE else store.name)
        files = [place_of] if place_of.is_file() else place_of.rglob("*") if place_of.is_dir() else []
        found[store.name] = float(sum(one.stat().st_size for one in files if one.is_file()))
    return found


def _habits(paths: StateDirectory, response: str | None) -> Habits:
    """What requests are like: as asked for, else as the access log has them, else as assumed."""
    if response is not None:
        try:
            return Habits(response_bytes=float(size(response)))
        except ValueError as wrong:
            raise FileError(f"--response: {wrong}") from None
    log = paths.logs / "access.log"
    sizes = list(_sizes(log)) if log.exists() else []
    if not sizes:
        return Habits()
    received, sent = zip(*sizes, strict=True)
    return Habits(request_bytes=fmean(received), response_bytes=fmean(sent))


def _sizes(log: Path) -> Iterator[tuple[float, float]]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]:
        try:
            row = json_text.loads(line)
            yield float(row["received_bytes"]), float(row["sent_bytes"])
        except (ValueError, KeyError, TypeError):  # a torn line
            continue


def as_json(report: Report) -> dict[str, object]:
    """What `--json` promises, and what stands beside it."""
    hour = report.hours()
    lines = report.lines(report.now or at_min(report.app))
    past = report.past
    return {
        "application": report.app.name,
        "currency": "USD",
        "region": place(report.app).region,
        "hour": {name: None if usd is None else _cents(usd) for name, usd in hour.items()},
        "month": {name: None if usd is None else _cents(usd * HOURS) for name, usd in hour.items()},
        "per_million_requests": _cents(report.per_million),
        "idle": [
            {"what": one.what, "hour": _cents(one.hour), "month": _cents(one.hour * HOURS)} for one in report.idle
        ],
        "lines": [_line_json(line) for line in lines],
        "savings": [
            {"strategy": one.strategy, "month": None if one.month is None else _cents(one.month), "text": one.text}
            for one in report.savings
        ],
        "past": None if past is None else _past_json(report, past),
        "assumed": asdict(report.habits),
    }


def _line_json(line: Line) -> dict[str, object]:
    return {
        "what": line.what,
        "unit": line.price.unit,
        "unit_price": line.unit_usd,
        "quantity": line.quantity,
        "hour": _cents(line.usd),
        "source": line.price.source,
        "page": line.price.page,
        "date": line.price.date,
        "confirmed": line.price.confirmed,
    }


def _past_json(report: Report, past: Past) -> dict[str, object]:
    usd = total(report.lines(past.use))
    return {
        "of": report.source,
        "hours": round(past.hours, 3),
        "requests": round(past.use.requests),
        "instance_hours": {name: round(hours, 3) for name, hours in past.use.instance_hours.items()},
        "usd": _cents(usd),
        "month": _cents(usd / past.hours * HOURS) if past.hours else None,
    }


def _cents(usd: float) -> float:
    """Exact enough for an hour of one request."""
    return round(usd, 9)


def _print(report: Report) -> None:
    aws, hour = place(report.app), report.hours()
    where = f"{', '.join(spread(report.app))} on {aws.compute.value}"
    talk.say(f"{report.app.name} on AWS, {where}, US dollars", "bold")
    if report.app.aws is None:
        talk.say("the file has no [aws]; it is priced as if it chose this")
    talk.table(
        ("", "hour", "month"),
        [
            [name, "-" if usd is None else f"{usd:.4f}", "-" if usd is None else f"{usd * HOURS:.2f}"]
            for name, usd in hour.items()
        ],
    )
    print(f"\na million requests cost {report.per_million:.2f} beside the instances")
    if report.past is not None and report.past.hours:
        told = _past_json(report, report.past)
        days = "the trace" if report.source == "trace" else "the last 7 days here"
        print(f"{days}: {told['hours']} h, {told['requests']} requests would have cost {told['usd']:.2f}")
    print()
    lines = report.lines(report.now or at_min(report.app))
    what = f"line ({'at min' if report.now is None else 'now'})"
    talk.table((what, "unit price", "unit", "in an hour", "month", "price"), [_row(line) for line in lines])
    print()
    talk.table(("what idles", "month"), [[one.what, f"{one.hour * HOURS:.2f}"] for one in report.idle])
    print()
    rows = [[one.strategy, "-" if one.month is None else f"{one.month:.2f}", one.text] for one in report.savings]
    talk.table(("what would save", "month", "how"), rows)
    talk.say("without taxes, free tier and traffic between zones; --json has the source of each price", "dim")


def _row(line: Line) -> list[object]:
    doubt = "confirmed" if line.price.confirmed else "unconfirmed"
    unit = f"{line.unit_usd:.6g}"
    return [line.what, unit, line.price.unit, f"{line.quantity:.4g}", f"{line.usd * HOURS:.2f}", doubt]
