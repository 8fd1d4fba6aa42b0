"""Who does not answer is ended: at once when it is stopped, later when it is slow, last on a starved machine."""

# ruff: noqa: ASYNC220 - a test may block its own loop

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from flyball.local.process import processes
from flyball.local.process.pulse import Pulse, Silence, hangs, told
from waiting import until


@pytest.mark.parametrize(
    ("silent_s", "silence", "ended"),
    [
        (1.0, Silence.STOPPED, False),
        (2.0, Silence.STOPPED, True),
        (2.0, Silence.SLOW, False),
        (14.0, Silence.SLOW, False),
        (15.0, Silence.SLOW, True),
        (15.0, Silence.STARVED, False),
        (60.0, Silence.STARVED, True),
    ],
)
def test_how_long_a_silence_may_last(silent_s: float, silence: Silence, ended: bool) -> None:
    assert hangs(silent_s, silence) == ended


def test_it_is_told_in_a_sentence() -> None:
    assert told(2.1, Silence.STOPPED) == "did not answer for 2 s because it was stopped (SIGSTOP)"
    assert told(15.0, Silence.SLOW) == "did not answer for 15 s"


async def silent() -> bool:
    return False


async def talking() -> bool:
    return True


async def test_a_stopped_process_is_ended_for_its_silence_and_one_that_answers_is_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        process = processes.identify(child.pid)
        assert process is not None
        pulse = Pulse(process, silent_s=1.95)
        assert await pulse.felt(silent) == ""  # it only takes its time
        os.kill(child.pid, signal.SIGSTOP)
        await asyncio.to_thread(until, lambda: processes.stopped(process), what="it is stopped")
        assert "SIGSTOP" in await pulse.felt(silent)
        assert await pulse.felt(talking) == ""
        assert pulse.silent_s == 0.0
        assert await pulse.felt(silent) == ""  # from the beginning
    finally:
        child.kill()
        child.wait()
    pulse.silent_s = 100.0
    assert await pulse.felt(silent) == ""  # it has died: that is seen elsewhere
