"""Releases on this machine: immutable sources, each built once, started many times.

    releases/content/HASH/source/   a read-only copy of a source tree, named by its fingerprint
    releases/builds/KEY/app/        a copy of it in which the build command ran; KEY is of the content and the command
    releases/builds/KEY/.ok         made last: without it the build is unfinished and is thrown away

A build happens where it will be used, because virtual environments hold absolute paths and cannot be moved.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import AsyncFileLock, FileLock, Timeout

from flyball.core.errors import Failed
from flyball.local.process import commands, processes
from flyball.local.process.environments import build_environment
from flyball.local.process.walls.rooms import Room
from flyball.local.process.watch import end_group

from . import source

Part = TypeVar("Part")
BUILD_TIMEOUT_S = 15 * 60.0
KEPT = 5
IN_HAND_S = 3600.0  # what was used so lately may belong to a push of many services that has made no release yet
# Bytecode is compiled at the build: a Flask application starts in 168 ms with it and in 373 ms without.
# What a package installer put into .venv it has compiled itself (UV_COMPILE_BYTECODE).
_COMPILE = ("-m", "compileall", "-qq", "-x", r"[/\\](\.venv|node_modules)[/\\]", ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """`directory` is where instances run. `message` says in one line why a build failed, else it is empty."""

    succeeded: bool
    message: str
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """One build: from the source `kept` in the directory `home`."""

    content: str
    command: str | None
    kept: Path
    home: Path
    variables: Mapping[str, str]
    log: Path
    timeout_s: float
    make_room: commands.MakeRoom | None

    @property
    def app(self) -> Path:
        return self.home / "app"


def snapshot(directory: Path, releases: Path, *, built: bool = False) -> str:
    """Keep an immutable copy of a source tree and return its fingerprint. One that is kept already is only read.

    `built`: a build follows (see `source.entries`). Raises FileError for an unusable tree, Failed for a full disk.
    """
    content = source.fingerprint(directory, built=built)
    if (releases / "content" / content).exists():
        os.utime(releases / "content" / content)  # `collect` goes by the last use
        return content
    temporary = releases / "content" / f".new-{secrets.token_hex(8)}"
    try:
        source.copy(source.entries(directory, built=built), temporary / "source", writable=False)
        # The tree may have changed since: the name is that of the copy.
        content = source.fingerprint(temporary / "source")
        _rename(temporary, releases / "content" / content)
    except OSError as error:
        raise Failed(f"the source {directory} cannot be copied to {releases}: {error.strerror}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return content


def directory(content: str, command: str | None, *, releases: Path) -> Path:
    """Where the instances of a release run once it is built."""
    return _build_directory(content, command, releases) / "app"


async def build(
    content: str,
    command: str | None,
    *,
    releases: Path,
    environment: Mapping[str, str],
    log: Path,
    timeout_s: float = BUILD_TIMEOUT_S,
    make_room: commands.MakeRoom | None = None,
) -> BuildResult:
    """Build a kept source unless that was done before. `command` runs in a shell, its output goes to `log`.

    `environment` holds the file's own variables. With `make_room` it runs behind walls. Two builds of the same wait for
    each other. A failed or cancelled build leaves nothing but its log. Raises Failed when the disk is full or
    the source is not kept.
    """
    home = _build_directory(content, command, releases)
    work = _Work(
        content=content,
        command=command,
        kept=releases / "content" / content / "source",
        home=home,
        variables=build_environment(environment, home / "app"),
        log=log,
        timeout_s=timeout_s,
        make_room=make_room,
    )
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        async with AsyncFileLock(f"{home}.lock", run_in_executor=False):
            built = (home / ".ok").exists()
            message = "" if built else await _build(work)
    except OSError as error:
        raise Failed(f"the release cannot be built in {releases}: {error.strerror}") from error
    return BuildResult(succeeded=not message, message=message, directory=work.app)


def collect(releases: Path, keep: Collection[str]) -> list[str]:
    """Delete sources, and what was built of them, that are neither in `keep` nor of the last hour nor the last five.

    `keep` are the fingerprints that releases or instances refer to. Returns the fingerprints deleted. While it runs
    nobody may keep a source.
    """
    kept, now = releases / "content", time.time()
    found = [(path.stat().st_mtime, path) for path in kept.iterdir()] if kept.exists() else []
    for used, leftover in found:
        if leftover.name.startswith(".new-") and now - used > BUILD_TIMEOUT_S:
            shutil.rmtree(leftover, ignore_errors=True)
    finished = sorted(((used, path.name) for used, path in found if not path.name.startswith(".new-")), reverse=True)
    staying = {*keep, *(name for used, name in finished if now - used < IN_HAND_S)}
    staying |= {name for _, name in finished[:KEPT]}
    for home in sorted(path.parent for path in (releases / "builds").glob("*/content")):
        _collect_build(home, staying)
    gone = [name for _, name in finished if name not in staying]
    for name in gone:
        shutil.rmtree(kept / name, ignore_errors=True)
    return gone


def _collect_build(home: Path, staying: Collection[str]) -> None:
    lock = FileLock(f"{home}.lock", blocking=False)
    try:
        with lock:
            content = home / "content"
            if content.exists() and content.read_text(encoding="ascii") not in staying:
                shutil.rmtree(home, ignore_errors=True)
                Path(lock.lock_file).unlink(missing_ok=True)
    except Timeout:
        return  # it is being built just now


def _build_directory(content: str, command: str | None, releases: Path) -> Path:
    key = hashlib.sha256(f"{content}\0{command or ''}".encode()).hexdigest()[:16]
    return (releases / "builds" / key).absolute()


def _rename(temporary: Path, final: Path) -> None:
    try:
        temporary.rename(final)
    except OSError:
        if not final.exists():  # somebody else kept the same content meanwhile
            raise


async def _build(work: _Work) -> str:
    """The reason why it failed, or ""."""
    done = False
    try:
        has_python = await _in_thread(_prepare, work)
        message = await _run(work) if work.command else ""
        if message:
            return message
        if has_python:
            await _compile(work)
        await _in_thread(_freeze, work)
        (work.home / ".ok").touch()
        done = True
        return ""
    finally:
        if not done:
            # Not in a thread: a cancelled build must not leave before its directory is gone.
            shutil.rmtree(work.home, ignore_errors=True)


async def _in_thread(part: Callable[[_Work], Part], work: _Work) -> Part:
    """Cancelled, it waits until the thread is done: what is deleted then must not be made again by it."""
    thread = asyncio.ensure_future(asyncio.to_thread(part, work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.gather(thread, return_exceptions=True)
        raise


def _prepare(work: _Work) -> bool:
    """Make the directory in which the build runs. Whether there is Python in the source."""
    if not work.kept.exists():
        raise Failed(f"the source {work.content[:12]} is not kept here any more: deploy it again")
    left = processes.load(work.home / "process.json")
    if left is not None:  # of a control plane that was killed while it built
        end_group(left[0])
    if work.home.exists():
        shutil.rmtree(work.home)
    work.home.mkdir()
    (work.home / "content").write_text(work.content, encoding="ascii")
    found = source.entries(work.kept)
    source.copy(found, work.app, writable=True)
    return any(entry.name.endswith(".py") for entry in found)


async def _run(work: _Work) -> str:
    return await commands.run(
        work.command or "",
        what="the build",
        directory=work.app,
        environment=work.variables,
        log=work.log,
        timeout_s=work.timeout_s,
        record=work.home / "process.json",
        room=_room(work, work.command or ""),
    )


def _room(work: _Work, command: str) -> Room | None:
    return None if work.make_room is None else work.make_room(command, work.variables, work.app)


async def _compile(work: _Work) -> None:
    own = str(work.app / ".venv" / "bin" / "python")
    python = shutil.which(own) or shutil.which("python3", path=work.variables["PATH"])
    if python is None:
        return
    # A file that does not compile may be a template: the program that imports it will complain.
    child = await commands.start(
        [python, *_COMPILE],
        directory=work.app,
        environment=work.variables,
        output=asyncio.subprocess.DEVNULL,
        room=_room(work, python),
    )
    try:
        await child.wait()
    finally:
        await commands.end(child)


def _freeze(work: _Work) -> None:
    """Take the right to write from the source's files: an instance must not change what the next one starts with."""
    for entry in source.entries(work.kept):
        path = work.app / entry.name
        if entry.link is None and path.is_file() and not path.is_symlink():
            path.chmod(0o555 if entry.executable else 0o444)
