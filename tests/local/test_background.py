"""Work in the background that fails is begun again, and ends with what it was beside."""

from __future__ import annotations

import asyncio

from flyball.local.background import background
from waiting import soon


async def test_work_that_fails_is_begun_again_and_keeps_no_other_from_going_on():
    begun: list[str] = []

    async def fails() -> None:
        begun.append("fails")
        raise KeyError("nobody foresaw it")

    async def goes_on() -> None:
        begun.append("goes on")
        await asyncio.Event().wait()

    async with background(fails, goes_on, pause_s=0.0):
        await soon(lambda: begun.count("fails") > 2, what="it is begun again")
    assert begun.count("goes on") == 1
    ended = len(begun)
    await asyncio.sleep(0)
    assert len(begun) == ended
