"""The one way to wait for what another process or task does: look again and again, as long as a busy machine may take.

Nothing else in the tests sleeps (tests/architecture/test_tidy.py).
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

WITHIN_S = 90.0
EVERY_S = 0.02
T = TypeVar("T")


def until(
    holds: Callable[[], T],
    *,
    what: str = "what the test waits for",
    within_s: float = WITHIN_S,
    every_s: float = EVERY_S,
    story: Callable[[], str] = str,
) -> T:
    """The first true value that `holds` gives. Without one in time the test fails and tells `story`."""
    deadline = time.monotonic() + within_s
    while not (value := holds()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {within_s:g} s\n{story()}")
        time.sleep(every_s)
    return value


async def soon(
    holds: Callable[[], T | Awaitable[T]],
    *,
    what: str = "what the test waits for",
    within_s: float = WITHIN_S,
    every_s: float = EVERY_S,
) -> T:
    """`until` in an event loop, which goes on meanwhile. `holds` may be a coroutine function."""
    deadline = time.monotonic() + within_s
    while not (value := await _result(holds())):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {within_s:g} s")
        await asyncio.sleep(every_s)
    return value


async def _result(value: T | Awaitable[T]) -> T:
    return await value if inspect.isawaitable(value) else value
