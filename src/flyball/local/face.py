"""What the command line and the dashboard use of this world, beside the control plane and the state directory.

They import nothing from the rooms below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .pipeline import git
from .pipeline.records import RunJson
from .process import logs, processes, times
from .process.ports import free_port
from .record.journal import Journal, Reader
from .stores.redis import ANSWER_TIMEOUT_S

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["ANSWER_TIMEOUT_S", "Journal", "Reader", "RunJson", "free_port", "git", "logs", "processes", "times"]


def redis_client(port: int) -> Redis:
    """A client of the Redis server on this port; `async with` closes it."""
    from .stores.client import client  # noqa: PLC0415 - an application without such a store need not import it

    return client(port)
