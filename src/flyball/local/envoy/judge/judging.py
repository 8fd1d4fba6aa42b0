"""Keeps the judge of an application: started, taken over, asked for life, started again, replaced, ended.

Other rules get a judge of their own beside the old one, on sockets of its own; the old one ends when nobody asks it any
more. A judge keeps nothing but counts, so it may be ended at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from flyball.core.control.news import Mishap, MishapKind
from flyball.core.errors import Failed, FileError
from flyball.core.model import Firewall, FirewallAction
from flyball.core.model.firewall import CORE_RULES
from flyball.local.paths import StateDirectory
from flyball.local.process import logs, processes
from flyball.local.process.processes import Process
from flyball.local.process.pulse import DEADLINE_S
from flyball.local.process.vigil import LASTED_S, end, ended, started_again

from .directives import directives, rule_files

MARK = "FLYBALL_JUDGE_OF"  # in a judge's environment: the state directory that it serves
TASK = "FLYBALL_JUDGE_TASK"  # and the name of its task
START_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.02
LINGERS_S = 10.0  # longer than a listener that has changed keeps its connections
MOST_ANSWERED = 1 << 20


def must_be_usable(firewall: Firewall, home: Path) -> None:
    """Raise FileError when the rules cannot be asked on this machine."""
    if firewall.core_rules is None:
        return
    rule_files(firewall.core_rules, home)
    if importlib.util.find_spec("libmodsecurity") is None:
        raise FileError("listener.firewall.rules: owasp-crs needs ModSecurity: pip install 'flyball[firewall]'")


@dataclass(slots=True, eq=False)
class _Judge:
    """One that runs, and what it has told of last."""

    name: str
    process: Process
    counts: dict[str, int] = field(default_factory=dict)
    guard: asyncio.Task[None] | None = None


class Judging:
    """The judge of one application, or none. `hear` is told when it died or hung."""

    def __init__(self, paths: StateDirectory, hear: Callable[[Mishap], None] = lambda _: None) -> None:
        self._paths = paths
        self._hear = hear
        self._wanted: str | None = None
        self._judge: _Judge | None = None
        self._later: set[asyncio.Task[None]] = set()

    @property
    def socket(self) -> str | None:
        """Where the balancer asks; None without rules."""
        return None if self._judge is None else self._socket(self._judge.name)

    @property
    def process(self) -> Process | None:
        """The process, None without rules."""
        return None if self._judge is None else self._judge.process

    def matched(self) -> dict[str, int]:
        """Rule -> requests that it has matched since the judge started, as far as is known."""
        counts = {} if self._judge is None else self._judge.counts
        return {f"{CORE_RULES}-{rule}": count for rule, count in sorted(counts.items())}

    async def ensure(self, firewall: Firewall, home: Path) -> None:
        """Have a judge for these rules, and in a moment none for others. Raises FileError and Failed."""
        self._wanted = None if firewall.core_rules is None else self._written(firewall, home)
        running = {environment.get(TASK, ""): process for process, environment in self._running()}
        if self._wanted is not None and (self._judge is None or self._judge.name != self._wanted):
            judge = await self._begun(self._wanted, running.get(self._wanted))
            before, self._judge = self._judge, judge
            judge.guard = asyncio.ensure_future(self._guarded(judge))
            if before is not None and before.guard is not None:
                before.guard.cancel()
        for name, process in running.items():
            if name != self._wanted:
                self._do_later(self._retire(name, process))

    def _written(self, firewall: Firewall, home: Path) -> str:
        """The task of these rules, for a judge to read; its name."""
        rules = firewall.core_rules
        assert rules is not None
        must_be_usable(firewall, home)
        facts = {
            "directives": directives(rules, rule_files(rules, home)),
            "skip_paths": rules.skip_paths,
            "uploads": firewall.uploads or (),
            "body_bytes": rules.body_bytes,
            "blocks": firewall.of_rule(CORE_RULES) is FirewallAction.BLOCK,
        }
        name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:8]
        text = json.dumps({"socket": self._socket(name), "told": self._told(name), **facts})
        try:
            new = self._file(name).with_suffix(".new")
            new.write_text(text, encoding="utf-8")
            new.replace(self._file(name))
        except OSError as error:
            raise Failed(f"{self._file(name)} cannot be written: {error.strerror}") from error
        return name

    def _file(self, name: str) -> Path:
        return self._paths.xds / f"judge-{name}.task"

    def _socket(self, name: str) -> str:
        return str(self._paths.sockets / f"judge-{name}.sock")

    def _told(self, name: str) -> str:
        return str(self._paths.sockets / f"told-{name}.sock")

    @property
    def _log(self) -> Path:
        return self._paths.logs / "judge.log"

    def _running(self) -> list[tuple[Process, dict[str, str]]]:
        return processes.carriers(MARK, str(self._paths.root.resolve()))

    async def _begun(self, name: str, running: Process | None) -> _Judge:
        """A judge that answers: the one that runs, else a new one."""
        if running is not None and not await self._asked(_Judge(name, running)):
            await end(running)  # it would be asked for nothing
            running = None
        judge = _Judge(name, running or await self._spawned(name))
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not await self._asked(judge):
            if not processes.alive(judge.process):
                raise Failed(f"the judge did not start: {logs.last_line(self._log)}")
            if asyncio.get_running_loop().time() > deadline:
                await end(judge.process)
                raise Failed(f"the judge was not ready after {START_TIMEOUT_S:g} s, see {self._log}")
            await asyncio.sleep(LOOK_EVERY_S)
        return judge

    async def _spawned(self, name: str) -> Process:
        return await processes.spawn(
            [sys.executable, "-I", "-m", "flyball.local.envoy.judge.process", str(self._file(name))],
            environment={"PATH": "/usr/bin:/bin", MARK: str(self._paths.root.resolve()), TASK: name},
            directory=self._paths.root,
            log=self._log,
        )

    async def _asked(self, judge: _Judge) -> bool:
        """Whether it answers within the deadline: with what it has counted, which is kept."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                reader, writer = await asyncio.open_unix_connection(self._told(judge.name))
                try:
                    judge.counts = json.loads(await reader.read(MOST_ANSWERED))
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError):
            return False
        return True

    async def _guarded(self, judge: _Judge) -> None:
        pause_s = 0.0
        while True:
            since = asyncio.get_running_loop().time()
            how = await ended(judge.process, lambda: self._asked(judge))
            if asyncio.get_running_loop().time() - since > LASTED_S:
                pause_s = 0.0
            died = f"the judge of the OWASP Core Rule Set {how}"
            pause_s = await started_again(died, partial(self._again, judge), self._tell, pause_s=pause_s)

    async def _again(self, judge: _Judge) -> None:
        judge.process = (await self._begun(judge.name, None)).process

    def _tell(self, _: bool, text: str) -> None:
        self._hear(Mishap(kind=MishapKind.FIREWALL, text=text))

    def _do_later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _retire(self, name: str, process: Process) -> None:
        """End a judge whose rules are not the file's any more, once the balancer has heard of it."""
        await asyncio.sleep(LINGERS_S)
        if name == self._wanted:
            return
        if self._judge is not None and self._judge.name == name:
            judge, self._judge = self._judge, None
            await _unguarded(judge)
            process = judge.process
        await end(process)
        for left in (self._file(name), Path(self._socket(name)), Path(self._told(name))):
            left.unlink(missing_ok=True)

    async def stop(self) -> None:
        """End every judge."""
        await self.close()
        await asyncio.gather(*(end(process) for process, _ in self._running()))

    async def close(self) -> None:
        """Stop watching; the judge keeps running."""
        for task in self._later:
            task.cancel()
        if self._judge is not None:
            await _unguarded(self._judge)


async def _unguarded(judge: _Judge) -> None:
    if judge.guard is not None:
        judge.guard.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await judge.guard
