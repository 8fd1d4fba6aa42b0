"""Replication beside the edge's other work: in a thread, at a pace that leaves the machine alone."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from flyball.core.model import Application, StoreKind

from .replication.replicator import Lag, Replicator
from .replication.tables import TableReplicator

log = structlog.get_logger()
EVERY_S = 0.25
SHARE = 20  # looking takes at most a twentieth of the time
ASKED_SHARE = 4  # where somebody asks, a fifth
FLUSHED_S = 20.0
Tell = Callable[[str | None, str, bool], None]
Stores = tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]
"""Names of buckets; names of tables, each with the columns of its key."""


class Carrying:
    """Replicates what the file says between the regions that `places` tells, region -> where its stores lie.

    `tell` hears the region and a sentence when its store cannot be written (False), and when it can again (True);
    without a region when none can.
    """

    def __init__(self, memory: Path, places: Callable[[], Mapping[str, Path]], tell: Tell) -> None:
        self._memory = memory
        self._places = places
        self._tell = tell
        self._stores: Stores = ((), ())
        self._replicators: list[Replicator | TableReplicator] = []
        self._lags: list[Lag] = []
        self._look_again_at = 0.0
        self._turn = asyncio.Lock()  # one round at a time

    async def of(self, app: Application) -> None:
        """From now on the stores of this application count."""
        stores = _replicated(app)
        async with self._turn:
            if stores != self._stores:
                self._close()
                self._lags = []
                self._begin(stores)

    def _begin(self, stores: Stores) -> None:
        loop = asyncio.get_running_loop()

        def tell(region: str, text: str, well: bool) -> None:
            loop.call_soon_threadsafe(self._tell, region, text, well)

        self._stores = stores
        buckets, tables = stores
        if tables:
            self._replicators.append(TableReplicator(dict(tables), tell))
        if buckets:
            try:
                self._replicators.append(Replicator(self._memory, buckets, tell))
            except sqlite3.Error as error:
                self._tell(None, f"no bucket is replicated: {self._memory} cannot be opened: {error}", False)

    async def run(self) -> None:
        """Round after round, until this task is cancelled."""
        while True:
            began = time.monotonic()
            with contextlib.suppress(OSError):
                await self._round()
            await asyncio.sleep(max(EVERY_S, SHARE * (time.monotonic() - began)))

    async def flush(self) -> None:
        """Bring over what is there, unless a region keeps refusing it. Without success all goes on: this is the end."""
        deadline = time.monotonic() + FLUSHED_S
        try:
            while await self._round() and time.monotonic() < deadline and not self._stalled:
                await asyncio.sleep(EVERY_S)
        except OSError as error:
            log.warning("what was stored last is not all brought over", error=str(error))

    async def _round(self) -> int:
        async with self._turn:
            places = dict(self._places())
            return sum([await asyncio.to_thread(one.round, places) for one in self._replicators])

    @property
    def _stalled(self) -> bool:
        return any(one.stalled for one in self._replicators)

    async def lags(self) -> list[Lag]:
        """How far each region is behind now. Where looking takes long the answer may be some looks old."""
        began = time.monotonic()
        if began >= self._look_again_at:
            places = dict(self._places())
            found = [await asyncio.to_thread(one.lags, places) for one in list(self._replicators)]
            self._lags = [lag for lags in found for lag in lags]
            ended = time.monotonic()
            self._look_again_at = ended + ASKED_SHARE * (ended - began)
        return self._lags

    async def close(self) -> None:
        """Let go of everything."""
        async with self._turn:
            self._close()

    def _close(self) -> None:
        for one in self._replicators:
            one.close()
        self._replicators = []


def _replicated(app: Application) -> Stores:
    wanted = [one for one in app.stores if one.replicate]
    buckets = tuple(one.name for one in wanted if one.kind is StoreKind.BUCKET)
    tables = [(one.name, tuple(part.name for part in one.key)) for one in wanted if one.kind is StoreKind.TABLE]
    return buckets, tuple(tables)
