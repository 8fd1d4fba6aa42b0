"""How "30s", "512MB", "1%" and "cpu > 50%" are read and written.

Every value in the file has its unit in the text: one number, one unit, no sums.
Sizes are binary, as AWS counts memory: "512MB" is 512 x 1024 x 1024 bytes.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from flyball.core import durations
from flyball.core.model import Comparison, Metric

DURATION_PATTERN = rf"^{durations.PATTERN}$"
SIZE_PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,6})?(B|[KMGT]i?B)$"
PERCENT_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,6})?[ ]?%$"
RATE_PATTERN = r"^[0-9]{1,9}/[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h|d)$"
CONDITION_PATTERN = (
    r"^(cpu|memory|requests|errors|p50|p95|p99)[ ]*(>=|<=|>|<)[ ]*[0-9]{1,9}(\.[0-9]{1,6})?[ ]?(%|ms|s|m|h|d)?$"
)

_BYTES = {"TB": 1024**4, "GB": 1024**3, "MB": 1024**2, "KB": 1024, "B": 1}
_LATENCIES = (Metric.P50, Metric.P95, Metric.P99)


class NotAUnit(ValueError):
    """The text is not a value of this kind."""


def duration(text: str) -> float:
    """Seconds of "500ms", "30s", "5m", "1h" or "7d". Raises NotAUnit."""
    if text.startswith("-"):
        raise NotAUnit(f"must not be negative, found {text!r}")
    seconds = durations.seconds(text)
    if seconds is None:
        raise NotAUnit(f"not a duration: {text!r} (write 500ms, 30s, 5m, 1h or 7d)")
    return seconds


def size(text: str) -> int:
    """Bytes of "64KB", "512MB" or "2GB", rounded down. Raises NotAUnit."""
    if re.fullmatch(SIZE_PATTERN, text) is None:
        raise NotAUnit(f"not a size: {text!r} (write 64KB, 512MB or 2GB)")
    number = text.rstrip(string.ascii_letters)
    unit = text[len(number) :]
    return int(float(number) * _BYTES[unit.replace("i", "")])


def percent(text: str) -> float:
    """The number of "1%". Raises NotAUnit."""
    if re.fullmatch(PERCENT_PATTERN, text) is None:
        raise NotAUnit(f"not a percentage: {text!r} (write 50%)")
    return float(text.rstrip(" %"))


def rate(text: str) -> tuple[int, float]:
    """Requests and seconds of "100/1m". Raises NotAUnit."""
    if re.fullmatch(RATE_PATTERN, text) is None:
        raise NotAUnit(f"not a rate: {text!r} (write 100/1m for 100 requests per minute)")
    requests, per = text.split("/")
    return int(requests), duration(per)


def condition(text: str) -> tuple[Metric, Comparison, float]:
    """Metric, comparison and threshold of "cpu > 50%", "p95 > 500ms" or "requests > 1000". Raises NotAUnit."""
    found = re.fullmatch(CONDITION_PATTERN, text)
    if found is None:
        raise NotAUnit(f"not a condition: {text!r} (write cpu > 50%, p95 > 500ms or requests > 1000)")
    metric, comparison = Metric(found[1]), Comparison(found[2])
    value = text.split(comparison, 1)[1].strip()
    return metric, comparison, threshold(metric, value)


def threshold(metric: Metric, text: str) -> float:
    """A value in the unit of `metric`: percent, ms, or requests per instance and minute. Raises NotAUnit."""
    if metric in _LATENCIES:
        return duration(text) * 1000.0
    if metric is Metric.REQUESTS:
        if not text.replace(".", "", 1).isdigit():
            raise NotAUnit(f"requests are a plain number per instance and minute, found {text!r}")
        return float(text)
    return percent(text if text.endswith("%") else text + "%")


def duration_text(seconds: float) -> str:
    """The shortest exact spelling: 90.0 is "90s", 3600.0 "1h", 0.5 "500ms"."""
    for unit in ("d", "h", "m"):
        length = durations.SECONDS[unit]
        if seconds >= length and seconds % length == 0:
            return f"{int(seconds / length)}{unit}"
    milliseconds = seconds * 1000
    if seconds < 1 and 0 < milliseconds == round(milliseconds):
        return f"{round(milliseconds)}ms"
    return f"{number_text(seconds)}s"


def size_text(count: int) -> str:
    """The shortest exact spelling: 536870912 is "512MB"."""
    for unit, factor in _BYTES.items():
        if count >= factor and count % factor == 0:
            return f"{count // factor}{unit}"
    return "0B"


def number_text(value: float) -> str:
    """A number without a trailing ".0", never in exponent form."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def threshold_text(metric: Metric, value: float) -> str:
    """`value` with the unit of `metric`."""
    if metric in _LATENCIES:
        return duration_text(value / 1000.0)
    return number_text(value) if metric is Metric.REQUESTS else f"{number_text(value)}%"


def value_text(value: object) -> str:
    """A value of the file, as a sentence shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str | int | float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
