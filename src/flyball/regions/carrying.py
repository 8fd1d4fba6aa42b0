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

log = structlog.get_logger()
EVERY_S = 0.25
SHARE = 20  # looking takes at most a twentieth of the time
FLUSHED_S = 20.0
Tell = Callable[[str | None, str, bool], None]


class Carrying:
    """Replicates what the file says between the regions that `places` tells, region -> where its stores lie.

    `tell` hears the region and a sentence when its bucket cannot be written (False), and when it can again (True);
    without a region when none can.
    """

    def __init__(self, memory: Path, places: Callable[[], Mapping[str, Path]], tell: Tell) -> None:
        self._memory = memory
        self._places = places
        self._tell = tell
        self._replicator: Replicator | None = None
        self._lags: list[Lag] = []
        self._look_again_at = 0.0
        self._turn = asyncio.Lock()  # one round at a time

    async def of(self, app: Application) -> None:
        """From now on the stores of this application count."""
        stores = tuple(one.name for one in app.stores if one.replicate and one.kind is StoreKind.BUCKET)
        async with self._turn:
            if self._replicator is not None and self._replicator.stores == stores:
                return
            self._close()
            self._lags = []
            if stores:
                loop = asyncio.get_running_loop()

                def tell(region: str, text: str, well: bool) -> None:
                    loop.call_soon_threadsafe(self._tell, region, text, well)

                try:
                    self._replicator = Replicator(self._memory, stores, tell)
                except sqlite3.Error as error:
                    self._tell(None, f"nothing is replicated: {self._memory} cannot be opened: {error}", False)

    async def run(self) -> None:
        """Round after round, until this task is cancelled."""
        while True:
            began = time.monotonic()
            with contextlib.suppress(OSError):
                await self._round()
            await asyncio.sleep(max(EVERY_S, SHARE * (time.monotonic() - began)))

    async def flush(self) -> None:
        """Bring over what is there, unless a region keeps refusing it."""
        deadline = time.monotonic() + FLUSHED_S
        while await self._round() and time.monotonic() < deadline and not self._stalled:
            await asyncio.sleep(EVERY_S)

    async def _round(self) -> int:
        async with self._turn:
            if self._replicator is None:
                return 0
            return await asyncio.to_thread(self._replicator.round, dict(self._places()))

    @property
    def _stalled(self) -> bool:
        return self._replicator is not None and self._replicator.stalled

    async def lags(self) -> list[Lag]:
        """How far each region is behind now. Where looking takes long the answer may be some looks old."""
        began = time.monotonic()
        if self._replicator is not None and began >= self._look_again_at:
            self._lags = await asyncio.to_thread(self._replicator.lags, dict(self._places()))
            ended = time.monotonic()
            self._look_again_at = ended + SHARE * (ended - began)
        return self._lags

    async def close(self) -> None:
        """Let go of everything."""
        async with self._turn:
            self._close()

    def _close(self) -> None:
        if self._replicator is not None:
            self._replicator.close()
            self._replicator = None
