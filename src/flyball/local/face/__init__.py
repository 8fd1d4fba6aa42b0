"""What the command line and the dashboard use of this world, beside the control plane and the state directory.

They import nothing from the rooms below. The functions say what is still running after the control plane has gone, and
which application it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from flyball.core.model import Application
from flyball.core.plan import must_be_possible
from flyball.local.paths import StateDirectory
from flyball.local.pipeline import git
from flyball.local.pipeline.records import RUN, Run
from flyball.local.process import logs, processes, times
from flyball.local.process.ports import can_listen, free_port
from flyball.local.process.processes import Process
from flyball.local.process.walls.address import Address
from flyball.local.process.walls.rooms import in_room_of
from flyball.local.process.watch import Watch
from flyball.local.record.journal import Damaged, Journal, Reader, Spell
from flyball.local.stores.redis import ANSWER_TIMEOUT_S

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

__all__ = [
    "ANSWER_TIMEOUT_S",
    "RUN",
    "Address",
    "Journal",
    "Process",
    "Reader",
    "Run",
    "Spell",
    "Watch",
    "can_listen",
    "free_port",
    "git",
    "in_room_of",
    "logs",
    "processes",
    "times",
]


def redis_client(at: Address | int) -> Redis:
    """A client of the Redis server there (a number is a port of localhost); `async with` closes it."""
    from flyball.local.stores.client import client  # noqa: PLC0415 - an application without such a store need not import it

    return client(at, timeout_s=ANSWER_TIMEOUT_S)


def any_alive(paths: StateDirectory) -> bool:
    """Whether an instance, the balancer or a store runs."""
    return any(True for _ in _alive(paths))


def left(paths: StateDirectory) -> bool:
    """Whether anything of it runs, recorded or not. This looks at every process of the machine."""
    from . import ending  # noqa: PLC0415 - only `down` asks

    return bool(ending.left(paths))


async def end_all(paths: StateDirectory) -> None:
    """End everything that runs of it, without a control plane."""
    from . import ending  # noqa: PLC0415 - only `down` asks

    await ending.end_all(paths)


def instances_alive(paths: StateDirectory) -> bool:
    """Whether an instance runs."""
    return any("instance" in facts for facts in _alive(paths))


def _alive(paths: StateDirectory) -> Iterator[Mapping[str, object]]:
    """What is recorded of each process that runs."""
    for path in paths.processes.glob("*.json"):
        loaded = processes.load(path)
        if loaded is not None and processes.alive(loaded[0]):
            yield loaded[1]


def clear(paths: StateDirectory) -> None:
    """Remove what is left of the walls and limits of an application when all its processes have ended."""
    from flyball.local.envoy import handover  # noqa: PLC0415 - only who stops needs it
    from flyball.local.process import leftovers  # noqa: PLC0415
    from flyball.local.process.walls import walls  # noqa: PLC0415

    if not any_alive(paths):
        handover.clear(paths)
        walls.clear(paths)
        leftovers.clear(paths.application_id(""), paths.limits_file)
        paths.balancer_file.unlink(missing_ok=True)
        paths.standby_file.unlink(missing_ok=True)


def balancer_alive(paths: StateDirectory) -> bool:
    """Whether the balancer runs."""
    loaded = (processes.load(path) for path in (paths.balancer_file, paths.standby_file))
    return any(processes.alive(one[0]) for one in loaded if one is not None)


def application(paths: StateDirectory) -> Application | None:
    """The application as the control plane last knew it; None when it never came to its first step, or the journal
    is damaged.
    """
    if not paths.journal.exists():
        return None
    with suppress(Damaged), closing(Journal(paths.journal)) as journal:
        return journal.application()
    return None


def last_event(paths: StateDirectory) -> int:
    """The number of the newest event so far; 0 where nothing is written down."""
    if not paths.journal.exists():
        return 0
    with suppress(Damaged), closing(Journal(paths.journal)) as journal:
        journal.check()  # one that is damaged will be set aside, and the next begins with 1
        return max((event.id for event in journal.events(limit=1)), default=0)
    return 0


def must_be_startable(app: Application, *, home: Path, paths: StateDirectory) -> None:
    """Raise FileError when the application of a file in `home` cannot start here, or cannot take over what runs."""
    from flyball.local.envoy import certificate  # noqa: PLC0415 - only `up` asks, and its imports take a while
    from flyball.local.envoy.judge import judging  # noqa: PLC0415

    if not any_alive(paths):
        certificate.must_be_usable(app, home=home)
        judging.must_be_usable(app.listener.firewall, home)
        return
    # By its name its cgroups and its processes are found: under another one they would be nobody's.
    before = application(paths)
    if before is not None:
        must_be_possible(before, replace(before, name=app.name))
