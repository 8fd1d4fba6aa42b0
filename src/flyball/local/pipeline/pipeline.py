"""The pipeline: pushes wait in the spool and pass one at a time, the newest of those that wait.

AWS: CodePipeline's superseded mode, in which a waiting execution is replaced by a later one:
https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts-how-it-works.html
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from flyball.core.errors import FlyballError

from . import spool
from .records import Records, Status
from .stages import Plane, Stages

LOOK_EVERY_S = 1.0

log = structlog.get_logger()


class Pipeline:
    """Takes pushes through their stages, for as long as `run` runs."""

    def __init__(self, plane: Plane) -> None:
        self.records = Records(plane.paths.journal)
        self._plane = plane
        self._noticed = asyncio.Event()

    def notice(self) -> None:
        """There may be a push: look now."""
        self._noticed.set()

    async def run(self) -> None:
        """Take every push that comes. Cancelled in the middle of one, that one is taken up again by the next `run`."""
        while True:
            self._noticed.clear()
            try:
                while await self._next():
                    pass
            except (FlyballError, OSError) as error:
                log.warning("pipeline", error=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._noticed.wait()

    async def _next(self) -> bool:
        """Take the newest push that waits; whether there was one."""
        directory = self._plane.paths.spool
        jobs = spool.waiting(directory)
        if not jobs or self._plane.state.shutting_down:
            return False
        *older, newest = jobs
        for job in older:
            self._supersede(job, by=newest)
            spool.done(directory, job.name)
        run = self.records.begin(newest.name, newest.commit, now=self._plane.now())
        if run.status is Status.RUNNING:
            await Stages(self._plane, self.records, run).go()
        spool.done(directory, newest.name)
        return True

    def _supersede(self, job: spool.Job, *, by: spool.Job) -> None:
        run = self.records.begin(job.name, job.commit, now=self._plane.now())
        if run.status is Status.RUNNING:
            run.status, run.ended_at = Status.SUPERSEDED, self._plane.now()
            run.message = f"a later push came before it began: {by.commit[:7]}"
            run.lines.append(f"pipeline {run.number} superseded: {run.message}")
            self.records.save(run)

    def close(self) -> None:
        """Let go of the records' file."""
        self.records.close()
