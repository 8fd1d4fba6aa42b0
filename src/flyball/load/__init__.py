"""Open-loop load: requests are sent when they are due, latency counts from then."""

from __future__ import annotations

from flyball.load.plan import Plan
from flyball.load.result import Latency, Progress, Result
from flyball.load.run import execute, run
from flyball.load.trace import Trace, read_trace

__all__ = ["Latency", "Plan", "Progress", "Result", "Trace", "execute", "read_trace", "run"]
