"""What is still running after the control plane has gone, and which application it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from flyball.core.model import Application
from flyball.core.plan import must_be_possible

from .envoy import certificate
from .envoy.balancer import RECORD
from .paths import StateDirectory
from .process import processes
from .record.journal import Journal


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
    loaded = processes.load(paths.processes / RECORD)
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
    if not any_alive(paths):
        certificate.must_be_usable(app.listener, home=home)
        return
    # By its name its cgroups and its processes are found: under another one they would be nobody's.
    before = application(paths)
    if before is not None:
        must_be_possible(before, replace(before, name=app.name))
