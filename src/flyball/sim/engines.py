"""Which engine? The compiled one when there is enough to do, or where it is not installed the plain one.

Both give the same results, so this decides nothing but how long it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

from flyball.core.arrivals import RateCurve

from .parts import Engine, Kind, Rules
from .plain_engine import PlainEngine
from .traffic import Traffic

WORTH_COMPILING = 100_000
"""Requests that the plain engine does in the time that the compiled one needs to be imported."""

Make = Callable[[RateCurve, int | str, str, list[Kind], Rules], Engine]
"""From a service's curve, the seeds of its arrivals and draws, what its releases do, and its balancer."""


def maker(requests: float) -> Make:
    """The engine for so many requests."""
    return fast if requests > WORTH_COMPILING and find_spec("numba") else plain


def is_slow(requests: float) -> bool:
    """Whether so many requests take long because the compiled engine is not installed."""
    return requests > WORTH_COMPILING and not find_spec("numba")


def plain(curve: RateCurve, seed: int | str, draws: str, kinds: list[Kind], rules: Rules) -> Engine:
    """The plain engine."""
    return PlainEngine(Traffic(curve, seed=seed, draws=draws), kinds, rules)


def fast(curve: RateCurve, seed: int | str, draws: str, kinds: list[Kind], rules: Rules) -> Engine:
    """The compiled engine."""
    # Imported here because it takes a second, which short runs and other verbs must not wait for.
    from .fast_engine import FastEngine  # noqa: PLC0415
    from .fast_traffic import FastTraffic  # noqa: PLC0415

    return FastEngine(FastTraffic(curve, seed=seed, draws=draws), kinds, rules)
