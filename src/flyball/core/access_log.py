"""How many requests came each second? An access log, counted.

Four forms are known by their first line: Envoy's as Flyball has it written (JSON), the common and combined logs of
nginx and Apache, and that of an Application Load Balancer. A request counts in the second in which it came, so lines
may be out of order, as they are where a line is written when its request ends. A few broken lines (a log that was torn
when its writer died) are left out; more of them, and it is no log.

https://nginx.org/en/docs/http/ngx_http_log_module.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from math import floor, isfinite

from .arrivals import RateCurve, Stage
from .errors import FileError

BROKEN = 0.01
"""The largest share of lines that may be broken; one always may."""
LONGEST_S = 366 * 86_400
MINUTES_FROM_S = 2 * 86_400
"""A longer log is counted by the minute."""

KNOWN = "Flyball's own (.flyball/logs/access.log), common and combined (nginx, Apache), and an ALB's"

Came = tuple[float, str]
"""When a request came, in seconds since the epoch, and the service it was for ("" where the log does not say)."""

_BRACKETED = re.compile(r'^\S+ \S+ .*?\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "')
_OF_ALB = re.compile(r"^(?:https?|h2|grpcs|wss?) (\d{4}-\d\d-\d\dT\S+Z) \S+ \S+:\d+ ")
_CREATED = re.compile(r'" -?\d+ (\d{4}-\d\d-\d\dT[\d:.]+Z) "')


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The traffic of a log. `shares`: of each service, where the log names it; empty where it does not."""

    curve: RateCurve
    shares: tuple[tuple[str, float], ...] = ()


def is_access_log(first_line: str) -> bool:
    """Whether a file that begins so is a log of a known form."""
    return _form(first_line) is not None


def counted(lines: Iterable[str]) -> Counted:
    """The requests of each second, from the first one's on. Raises FileError with the number of the bad line."""
    seconds: Counter[int] = Counter()
    services: Counter[str] = Counter()
    form: Callable[[str], Came] | None = None
    broken: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        form = form or _form(line)
        came = None if form is None else _came(form, line)
        if came is None:
            broken.append(number)
        else:
            seconds[floor(came[0])] += 1
            services[came[1]] += 1
    if not seconds:
        raise FileError(f"no line is of a known access log; known are {KNOWN}")
    if len(broken) > max(1, BROKEN * seconds.total()):
        raise FileError(f"line {broken[0]}: this is no line of the access log that the others are of")
    return Counted(curve=_curve(seconds), shares=_shares(services))


def _curve(seconds: Counter[int]) -> RateCurve:
    first, last = min(seconds), max(seconds)
    if last - first > LONGEST_S:
        raise FileError(f"the log covers {(last - first) / 86_400:.0f} days; at most 366 can be played")
    bin_s = 60 if last - first > MINUTES_FROM_S else 1
    bins: Counter[int] = Counter()
    for second, count in seconds.items():
        bins[(second - first) // bin_s] += count
    stages: list[Stage] = []
    begun = 0
    for index in sorted(bins):
        if index > begun:
            stages.append(Stage(rate=0.0, duration_s=float(bin_s * (index - begun))))
        stages.append(Stage(rate=bins[index] / bin_s, duration_s=float(bin_s)))
        begun = index + 1
    return RateCurve(stages=tuple(stages))


def _shares(services: Counter[str]) -> tuple[tuple[str, float], ...]:
    named = {name: count for name, count in sorted(services.items()) if name}
    return tuple((name, count / sum(named.values())) for name, count in named.items())


def _came(form: Callable[[str], Came], line: str) -> Came | None:
    try:
        at, service = form(line)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return (at, service) if isfinite(at) else None


def _form(line: str) -> Callable[[str], Came] | None:
    return next((form for form in (_of_envoy, _of_alb, _combined) if _came(form, line) is not None), None)


def _of_envoy(line: str) -> Came:
    row = json.loads(line)
    return float(row["at"]), str(row["service"] or "")


def _combined(line: str) -> Came:
    found = _BRACKETED.match(line)
    if found is None:
        raise ValueError(line)
    return datetime.strptime(found[1], "%d/%b/%Y:%H:%M:%S %z").timestamp(), ""


def _of_alb(line: str) -> Came:
    found = _OF_ALB.match(line)
    if found is None:
        raise ValueError(line)
    created = _CREATED.search(line)  # when the request came; the first time of the line is that of the answer
    return datetime.fromisoformat((created or found)[1]).timestamp(), ""
