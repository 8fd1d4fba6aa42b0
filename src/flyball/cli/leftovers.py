"""What goes on of an application whose control plane is gone, and what the application was."""

from __future__ import annotations

from flyball.core.model import Application
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.record.journal import Journal


def any_alive(paths: StateDirectory) -> bool:
    """Whether an instance, the balancer or a store runs."""
    loaded = [processes.load(path) for path in paths.processes.glob("*.json")] if paths.processes.exists() else []
    return any(one is not None and processes.alive(one[0]) for one in loaded)


def application(paths: StateDirectory) -> Application | None:
    """The application as the control plane last knew it; None when it never came to its first step."""
    if not paths.journal.exists():
        return None
    journal = Journal(paths.journal)
    try:
        return journal.application()
    finally:
        journal.close()
