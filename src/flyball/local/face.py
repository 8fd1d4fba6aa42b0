"""What the command line and the dashboard use of this world, beside the control plane and the state directory.

They import nothing from the rooms below. The functions say what is still running after the control plane has gone, and
which application it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from flyball.core.model import Application
from flyball.core.plan import must_be_possible

from .paths import StateDirectory
from .pipeline import git
from .pipeline.records import RUN, Run
from .process import logs, processes, times
from .process.ports import can_listen, free_port
from .record.journal import Journal, Reader, Spell
from .stores.redis import ANSWER_TIMEOUT_S

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

__all__ = [
    "ANSWER_TIMEOUT_S",
    "RUN",
    "Journal",
    "Reader",
    "Run",
    "Spell",
    "can_listen",
    "free_port",
    "git",
    "logs",
    "processes",
    "times",
]


def redis_client(port: int) -> Redis:
    """A client of the Redis server on this port; `async with` closes it."""
    from .stores.client import client  # noqa: PLC0415 - an application without such a store need not import it

    return client(port, timeout_s=ANSWER_TIMEOUT_S)


def any_alive(paths: StateDirectory) -> bool:
    """Whether an instance, the balancer or a store runs."""
    return any(True for _ in _alive(paths))


def instances_alive(paths: StateDirectory) -> bool:
    """Whether an instance runs."""
    return any("instance" in facts for facts in _alive(paths))


def _alive(paths: StateDirectory) -> Iterator[dict[str, object]]:
    """What is recorded of each process that runs."""
    for path in paths.processes.glob("*.json"):
        loaded = processes.load(path)
        if loaded is not None and processes.alive(loaded[0]):
            yield loaded[1]


def balancer_alive(paths: StateDirectory) -> bool:
    """Whether the balancer runs."""
    loaded = processes.load(paths.balancer_file)
    return loaded is not None and processes.alive(loaded[0])


def application(paths: StateDirectory) -> Application | None:
    """The application as the control plane last knew it; None when it never came to its first step."""
    if not paths.journal.exists():
        return None
    with closing(Journal(paths.journal)) as journal:
        return journal.application()


def last_event(paths: StateDirectory) -> int:
    """The number of the newest event so far; 0 where nothing is written down."""
    if not paths.journal.exists():
        return 0
    with closing(Journal(paths.journal)) as journal:
        return max((event.id for event in journal.events(limit=1)), default=0)


def must_be_startable(app: Application, *, home: Path, paths: StateDirectory) -> None:
    """Raise FileError when the application of a file in `home` cannot start here, or cannot take over what runs."""
    from .envoy import certificate  # noqa: PLC0415 - only `up` asks, and its imports take a while

    if not any_alive(paths):
        certificate.must_be_usable(app.listener, home=home)
        return
    # By its name its cgroups and its processes are found: under another one they would be nobody's.
    before = application(paths)
    if before is not None:
        must_be_possible(before, replace(before, name=app.name))
