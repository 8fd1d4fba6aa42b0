"""`flyball load`: send open-loop load and report the answers."""

from __future__ import annotations

import json as json_text
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urljoin

from flyball.core.arrivals import RateCurve, Stage, parse_duration, parse_stages
from flyball.core.errors import FileError
from flyball.load import Latency, Plan, Progress, Result, execute, read_trace

_RATE, _LASTING = 50.0, "60s"  # what somebody gets who asks for nothing
_LONGEST_S = 600.0
FROM_HEADER = "x-flyball-from"


def run(
    target: str | None = None,
    *,
    resolve: Callable[[str], str],
    rate: float | None = None,
    lasting: str | None = None,
    stages: str | None = None,
    trace: Path | None = None,
    speed: float = 1.0,
    scale: float = 1.0,
    path: str | None = None,
    method: str = "GET",
    headers: Sequence[str] = (),
    place: str | None = None,
    body: str = "",
    expect: str | None = None,
    timeout: str = "60s",
    requests: int | None = None,
    evenly: bool = False,
    seed: int = 0,
    allow_remote: bool = False,
    json: bool = False,
    keep: Callable[[str], None] | None = None,
) -> int:
    """Send load to a service or a URL; return the exit code.

    `resolve` turns a service's name ("" for the application) into its URL. At most one of `rate`, `stages` and `trace`
    says how much; `lasting` (the option --for) says how long, by default ten minutes at most. `place` is where the
    visitors are. `body` "@NAME" is read from a file. `keep` hears what was measured of an application here. 0: all ok;
    1: something failed, or the numbers are not valid; 130: stopped by Ctrl-C. Raises FileError for options that make no
    sense.
    """
    curve = _curve(rate, lasting, stages, trace, scale=scale, speed=speed)
    url = target if target is not None and "://" in target else resolve(target or "")
    plan = Plan(
        url=url if path is None else urljoin(url, path),
        curve=curve,
        seed=seed,
        evenly=evenly,
        requests=requests,
        method=method,
        headers=tuple(_header(text) for text in (*headers, *([f"{FROM_HEADER}: {place}"] if place else []))),
        body=_body(body),
        expect=_statuses(expect),
        timeout_s=parse_duration(timeout),
        allow_remote=allow_remote,
    )
    began = time.time()
    result = execute(plan, on_progress=lambda progress: print(_progress_line(progress), file=sys.stderr, flush=True))
    if keep is not None and "://" not in (target or ""):
        keep(json_text.dumps({"began": began, "ended": time.time(), **result.as_json()}))
    if json:
        print(json_text.dumps(result.as_json()))
    else:
        print("\n".join(_summary(result)))
    if result.invalid:
        print(result.invalid, file=sys.stderr)
    if result.stopped:
        return 130
    return 1 if result.failed or result.invalid else 0


def _curve(
    rate: float | None, lasting: str | None, stages: str | None, trace: Path | None, *, scale: float, speed: float
) -> RateCurve:
    asked = [name for name, value in (("--rate", rate), ("--stages", stages), ("--trace", trace)) if value is not None]
    if len(asked) > 1:
        raise FileError(f"give one of --rate 200, --stages 50:1m,400:3m and --trace FILE; found {' and '.join(asked)}")
    if not asked:
        rate, lasting = _RATE, lasting or _LASTING
        print(
            f"{rate:g} requests a second for {lasting}; --rate, --for, --stages and --trace ask for others",
            file=sys.stderr,
        )
    longest = _LONGEST_S if lasting is None else parse_duration(lasting)
    if rate is not None:
        return RateCurve(stages=(Stage(rate=rate, duration_s=longest),)).changed(scale=scale)
    if stages is not None:
        written = parse_stages(stages).changed(scale=scale, speed=speed)
        return written if lasting is None else written.first(longest)
    assert trace is not None
    recorded = read_trace(trace).curve.changed(scale=scale, speed=speed)
    if lasting is None and recorded.duration_s > longest:
        print(f"playing the first {longest:.0f} s of {recorded.duration_s:.0f} s; --for plays more", file=sys.stderr)
    return recorded.first(longest)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise FileError(f'"{text}" is not a header; write "Name: value"')
    return name.strip(), value.strip()


def _body(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise FileError(f"{text[1:]}: {error.strerror}") from None


def _statuses(text: str | None) -> frozenset[int] | None:
    if text is None:
        return None
    try:
        return frozenset(int(part) for part in text.split(","))
    except ValueError:
        raise FileError(f'"{text}" is not a list of statuses; write 200,404, for example') from None


def _progress_line(progress: Progress) -> str:
    p99 = "-" if progress.p99_ms is None else f"{progress.p99_ms:.1f} ms"
    return (
        f"{progress.elapsed_s:4.0f} s  {progress.rate:6.0f}/s  ok {progress.ok}  failed {progress.failed}  "
        f"waiting {progress.outstanding}  p99 {p99}  {_shares(progress.by_instance)}"
    ).rstrip()


def _shares(by_instance: Mapping[str, int]) -> str:
    total = sum(by_instance.values())
    return "  ".join(f"{name} {count / total:.0%}" for name, count in _by_number(by_instance))


def _by_number(counts: Mapping[str, int]) -> Iterable[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (len(item[0]), item[0]))  # web-2 before web-10


def _summary(result: Result) -> list[str]:
    rate = result.sent / result.duration_s if result.duration_s else 0.0
    lines = [
        f"sent {result.sent} in {result.duration_s:.1f} s ({rate:.1f}/s, seed {result.seed})",
        f"ok {result.ok}  failed {result.failed}"
        + (f"  not sent {result.not_sent}" if result.not_sent else "")
        + (f"  unfinished {result.unfinished}" if result.unfinished else ""),
        "",
        f"{'ms':<26}{'p50':>9}{'p90':>9}{'p95':>9}{'p99':>9}{'max':>9}",
        _row("latency, from when due", result.latency_ms),
        _row("service, from when sent", result.service_ms),
        _row("send lag", result.send_lag_ms),
        "",
    ]
    lines += [f"status {status:<18} {count:>9}" for status, count in sorted(result.by_status.items())]
    answered = sum(result.by_instance.values())
    lines += [f"{name:<25} {count:>9}  {count / answered:.0%}" for name, count in _by_number(result.by_instance)]
    lines += [
        f"region {region:<18} {count:>9}  {count / result.sent:.0%}" for region, count in result.by_region.items()
    ]
    lines += [
        f"failed: {kind}, {failure.count} times; first: {failure.example}" for kind, failure in result.failures.items()
    ]
    return lines


def _row(name: str, latency: Latency) -> str:
    values = (latency.p50, latency.p90, latency.p95, latency.p99, latency.max)
    return f"{name:<26}" + "".join(f"{'-' if value is None else f'{value:.1f}':>9}" for value in values)
