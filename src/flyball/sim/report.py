"""The report of a rehearsal for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flyball.core.control.reasons import ReasonKind

from .result import Result
from .several import Several

ROWS = 24
DECISIONS = 40
SHOWN = {
    ReasonKind.SCALE_OUT, ReasonKind.SCALE_IN, ReasonKind.FAILED, ReasonKind.UNHEALTHY, ReasonKind.OVERLOADED,
    ReasonKind.ROLLOUT_STARTED, ReasonKind.ROLLOUT_COMPLETED, ReasonKind.ROLLOUT_FAILED, ReasonKind.ROLLED_BACK,
    ReasonKind.REGION_UNHEALTHY, ReasonKind.REGION_HEALTHY,
}  # fmt: skip
IMAGINED = "Nothing was measured: the latencies are those of an assumed program."
COLUMNS = ("t", "rps", "desired", "in_service", "waiting", "failed", "p50_ms", "p95_ms", "p99_ms")


def report_lines(result: Result, name: str, about: Mapping[str, str], before: Result | None = None) -> Iterator[str]:
    """The summary (beside that of the file as it is), timeline, decisions, and what the numbers are worth."""
    yield f"{name}: {clock(result.duration_s)} of traffic, simulated; seed {result.seed}, flyball {about['version']}"
    yield f"the file's hash is {about['file_sha256'][:16]}"
    yield ""
    if before is None:
        yield from (f"{what:<16}{value}" for what, value in summary(result).items())
    else:
        usual = summary(before)
        yield f"{'':<16}{'as it is':<30}changed"
        yield from (f"{what:<16}{usual[what]:<30}{value}" for what, value in summary(result).items())
    yield ""
    yield from _timeline(result)
    yield ""
    yield from _decisions(result)
    yield ""
    yield from _numbers(result)


def summary(result: Result) -> dict[str, str]:
    """The figures that matter, as words."""
    share = f" ({result.failed / result.requests:.2%})" if result.requests else ""
    outs, ins = result.counted(ReasonKind.SCALE_OUT), result.counted(ReasonKind.SCALE_IN)
    return {
        "requests": f"{result.requests}",
        "failed": f"{result.failed}{share}",
        **{f"latency {key}": milliseconds(value) for key, value in result.latency_ms().items()},
        "instance-hours": f"{sum(result.hours.values()):.2f}",
        "cost on AWS": "-" if result.cost_usd is None else f"${result.cost_usd:.4g}",
        "scaled": f"{outs} times out, {ins} times in",
    }


def region_lines(several: Several) -> Iterator[str]:
    """Each region beside the others, and who was served where."""
    figures = {name: summary(one) for name, one in several.regions.items()}
    yield ""
    yield f"{'':<16}" + "".join(f"{name:<26}" for name in figures).rstrip()
    for what in next(iter(figures.values())):
        yield f"{what:<16}" + "".join(f"{one[what]:<26}" for one in figures.values()).rstrip()
    yield ""
    for (nearest, region), requests in several.served.items():
        yield f"visitors near {nearest} served by {region}: {requests:.0f}"


def _timeline(result: Result) -> Iterator[str]:
    every = max(1, -(-len(result.bins) // ROWS))
    yield "  ".join(f"{column:>10}" for column in COLUMNS)
    for row in result.timeline(every=every):
        cells = [clock(float(row["t"] or 0))]
        cells += ["-" if row[name] is None else f"{row[name]:.1f}".removesuffix(".0") for name in COLUMNS[1:]]
        yield "  ".join(f"{cell:>10}" for cell in cells)
    if every > 1:
        yield f"(each row covers {every} of the {len(result.bins)} that --json has)"


def _decisions(result: Result) -> Iterator[str]:
    told = [(at, one) for at, one in result.events if one.kind in SHOWN]
    for at, reason in told[:DECISIONS]:
        change = "" if reason.before is None or reason.after is None else f"{reason.before} -> {reason.after}: "
        kind = reason.kind.value.replace("_", " ")
        place = "" if reason.region is None else f"{reason.region:<14}  "
        yield f"{clock(at):>10}  {place}{reason.service or 'all':<12}  {kind:<17}  {change}{reason.text}"
    if len(told) > DECISIONS:
        yield f"(and {len(told) - DECISIONS} more; --json has all)"


def _numbers(result: Result) -> Iterator[str]:
    by_source: dict[str, list[str]] = {}
    known = {name.rpartition("/")[2]: numbers for name, numbers in result.numbers.items()}  # in all regions the same
    several = len(known) > 1
    for service, numbers in known.items():
        for name, told in numbers.told().items():
            value = told["value"]
            shown = value.get("mean", value.get("share")) if isinstance(value, dict) else value
            words = f"{service + ' ' if several else ''}{name} {'unlimited' if shown is None else shown}"
            by_source.setdefault(str(told["source"]), []).append(words)
    for source in ("measured", "given", "assumed"):
        if source in by_source:
            yield f"{source + ':':<10} " + ", ".join(by_source[source])
    if "measured" not in by_source:
        yield IMAGINED


def clock(seconds: float) -> str:
    """A time in the traffic: 90 s is 1:30."""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def milliseconds(value: float | None) -> str:
    """A latency, as exactly as it can be known."""
    return "-" if value is None else f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"
