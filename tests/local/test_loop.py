"""The loop between the core and the machine: what it was told is not lost when a look at the machine fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from builders import application, service
from flyball.core.control.observation import BuildSeen, Observation, Scale
from flyball.core.control.step import begin
from flyball.local.loop import Clock, Inbox, Loop
from flyball.local.record.journal import Journal
from waiting import soon


class Blind:
    """An observer that cannot look the first time."""

    def __init__(self) -> None:
        self.looks = 0

    async def observe(self, *, sampled, now, glanced=()) -> Observation:
        self.looks += 1
        if self.looks == 1:
            raise OSError("no look")
        return Observation(sampled=sampled)

    def forget_gone(self) -> None:
        """Nothing is kept."""


@pytest.fixture
def journal(tmp_path: Path):
    made = Journal(tmp_path / "journal.db")
    yield made
    made.close()


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


def looking(observer: Blind, journal: Journal, inbox: Inbox) -> Loop:
    app, clock = application(service("api"), service("web")), Clock()
    return Loop(
        app,
        begin(app, now=clock.now()),
        journal=journal,
        observer=observer,
        inbox=inbox,
        apply=lambda _app, _step: None,
        publish=lambda _events, _sampled: None,
        clock=clock,
    )


async def test_a_build_that_ended_while_the_look_failed_is_told_the_next_time(journal: Journal, inbox: Inbox):
    observer = Blind()
    loop = looking(observer, journal, inbox)
    built = BuildSeen(service="web", release=1, succeeded=True)
    inbox.hear(built)
    await asyncio.wait_for(loop.run(lambda _state: observer.looks == 2), 60)
    assert [one for recorded in journal.steps() for one in recorded.seen.builds] == [built]


async def test_an_intent_is_answered_with_what_went_wrong(journal: Journal, inbox: Inbox):
    observer = Blind()
    loop = looking(observer, journal, inbox)
    answer = asyncio.ensure_future(inbox.submit(Scale(service="web", desired=1)))
    await asyncio.sleep(0)  # the intent waits for the first step
    await asyncio.wait_for(loop.run(lambda _state: observer.looks == 1), 60)
    with pytest.raises(OSError, match="no look"):
        await asyncio.wait_for(answer, 60)


async def test_an_intent_is_answered_with_the_events_of_its_own_service(journal: Journal, inbox: Inbox):
    observer = Blind()
    observer.looks = 1  # the first look, which fails, is over
    loop = looking(observer, journal, inbox)
    both = asyncio.gather(*(inbox.submit(Scale(service=name, desired=99)) for name in ("web", "api")))
    await asyncio.sleep(0)  # both wait for the first step
    await asyncio.wait_for(loop.run(lambda _state: observer.looks == 2), 60)
    answers = await asyncio.wait_for(both, 60)
    assert [[event.reason.service for event in events] for events in answers] == [["web"], ["api"]]


async def test_a_loop_that_is_cancelled_in_the_moment_in_which_it_is_woken_ends(journal: Journal, inbox: Inbox):
    observer = Blind()
    loop = looking(observer, journal, inbox)
    running = asyncio.ensure_future(loop.run(lambda _state: False))
    await soon(lambda: observer.looks >= 2)
    inbox.wake()
    await asyncio.sleep(0)  # whoever waits for the wake is told of it next
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=60)
    running.cancel()
    assert done == {running}


async def test_an_intent_that_comes_when_the_loop_ends_is_answered_all_the_same(journal: Journal, inbox: Inbox):
    loop = looking(Blind(), journal, inbox)
    waiting = asyncio.ensure_future(inbox.submit(Scale(service="web", desired=1)))
    await asyncio.sleep(0)
    await loop.run(lambda _state: True)
    assert await asyncio.wait_for(waiting, 60) == []
    assert await asyncio.wait_for(inbox.submit(Scale(service="web", desired=1)), 60) == []
