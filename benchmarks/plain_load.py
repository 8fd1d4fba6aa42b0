"""One run of `flyball load` beside other work: begun, ended early if asked, never left behind."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import say
from benchmarks.product import FLYBALL

TIMEOUT_S = 60
MOST_PER_S = 1500.0  # bounds what is sent to an application that burns almost nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A running load; `begun_at` is when its first request was due."""

    process: subprocess.Popen[str]
    begun_at: float
    longest_s: float

    def stop(self) -> None:
        """Send no more; what is unanswered counts as unfinished."""
        self.process.send_signal(signal.SIGINT)

    def result(self) -> dict[str, Any]:
        """What was measured, after the last answer."""
        out, _ = self.process.communicate(timeout=self.longest_s + TIMEOUT_S + 30)
        if not out:
            raise SystemExit(f"flyball load ended with {self.process.returncode} and said nothing")
        measured: dict[str, Any] = json.loads(out)
        for kind, failure in measured["failures"].items():
            say(f"  {failure['count']} {kind}: {failure['example']}")
        if not measured["valid"]:
            say(f"  {measured['invalid']}")
        return measured


@contextmanager
def load(directory: Path, rate: float, seconds: float) -> Iterator[Load]:
    """Send that many requests a second for so long."""
    rate = min(rate, MOST_PER_S)
    most = math.ceil(rate * seconds * 1.2)
    words = ["load", "web", "--rate", f"{rate:.1f}", "--for", f"{seconds:g}s", "--timeout", f"{TIMEOUT_S}s"]
    talk = directory.with_name("talk")
    with talk.open("w") as stderr:
        process = subprocess.Popen(
            [*FLYBALL, *words, "--requests", str(most), "--json"],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        while not talk.stat().st_size and process.poll() is None:
            time.sleep(0.01)
        # The first line of progress comes one second after the first request.
        yield Load(process=process, begun_at=time.time() - 1.0, longest_s=seconds)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
