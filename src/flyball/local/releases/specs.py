"""What would a release of a service be? Where its source lies, the spec made from it, which copies are still needed."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from flyball.core.control.observation import ReleaseSpec
from flyball.core.control.state import ReleaseStatus, State
from flyball.core.model import Service
from flyball.local.record.journal import Journal

from . import builds


class Specs:
    """`home` is the file's directory, `kept` that of immutable copies; the journal remembers what was looked at."""

    def __init__(self, home: Path, kept: Path, journal: Journal, *, state: Callable[[], State]) -> None:
        self._home = home
        self._kept = kept
        self._journal = journal
        self._state = state
        self._keeping = asyncio.Lock()

    def source(self, service: Service) -> Path:
        """Where the source of a service lies."""
        return (self._home / service.source).resolve()

    async def make(self, service: Service, source: Path | None = None) -> ReleaseSpec:
        """Keep a copy of a source (by default the file's) and say what a release of it would be.

        Copies that nothing needs any more may go then.
        """
        directory = source or self.source(service)
        async with self._keeping:
            content = await asyncio.to_thread(builds.snapshot, directory, self._kept, built=service.build is not None)
            await asyncio.to_thread(builds.collect, self._kept, {*_needed(self._state()), content})
        return ReleaseSpec.of(service, content=content)

    def looked_at(self, service: str, spec: ReleaseSpec) -> bool:
        """Whether this is what was beside the file the last time; remembers it."""
        key, seen = f"beside:{service}", hashlib.sha256(repr(spec).encode()).hexdigest()
        known = self._journal.fact(key) == seen
        if not known:
            self._journal.remember(key, seen)
        return known


def _needed(state: State) -> set[str]:
    """Copies of the last five releases of each service, and of what runs or may be gone back to."""
    running = {(one.service, one.release) for one in state.instances}
    return {
        release.spec.content
        for one in state.services
        for release in one.releases
        if release in one.releases[-builds.KEPT :]
        or release.status is ReleaseStatus.COMPLETED
        or (one.name, release.number) in running
    }
