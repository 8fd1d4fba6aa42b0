"""What the command line and the dashboard use of this world, beside the control plane and the state directory.

They import nothing from the rooms below.
"""

from __future__ import annotations

from .pipeline import git
from .process import logs, processes
from .process.ports import free_port
from .record.journal import Journal

__all__ = ["Journal", "free_port", "git", "logs", "processes"]
