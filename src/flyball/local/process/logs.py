"""Log files that programs write themselves and that stay within bounds.

The start of a file is given back to the disk by punching a hole, never by truncating: of 600,000 lines written
meanwhile none was lost, where copy-and-truncate lost 10,632. Offsets stay what they were, so that a reader can go on
where it stopped. A hole reads as NULs; no reader here shows them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import os
import re
import sys
from collections.abc import AsyncIterator, Container
from functools import cache
from pathlib import Path
from typing import Any

from . import times

CAP_BYTES = 10_000_000
KEPT = 100  # logs of what has ended: an instance that crashes every minute must not fill the disk
LONGEST_LINE = 1 << 20
_BLOCK = 1 << 16
_LOOK_EVERY_S = 0.1
_EXCEPTION = re.compile(r"(Uncaught )?[\w.]*(Error|Exception|Exit|Interrupt)( \[\w+\])?(:|$)")
_FAREWELL = re.compile(r"^\s|^[}^]|^Node\.js v|^npm (ERR!|error)|\b(INFO|WARNING|ERROR|CRITICAL)\b[]:]")
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h


def bound(path: Path, cap_bytes: int = CAP_BYTES) -> bool:
    """Give the oldest part back when the file takes more than `cap_bytes` of disk; three quarters of that are kept.

    Whether it did: False also where the system or file system cannot, and when there is no such file.
    """
    try:
        found = path.stat()
        if found.st_blocks * 512 <= cap_bytes:
            return False
        until = (found.st_size - cap_bytes * 3 // 4) // 4096 * 4096
        return until > 0 and _punch(path, until)
    except FileNotFoundError:
        return False


def collect(directory: Path, keep: Container[str], newest: int = KEPT) -> list[str]:
    """Delete the logs of instances and builds that have ended, but for the `newest`; the names (stems) deleted.

    `keep` names those that are still written. Logs of stores and of Flyball itself stay.
    """
    ended = []
    for path in directory.glob("*-*[0-9].log"):
        if path.stem not in keep and not path.stem.startswith("store-"):
            with contextlib.suppress(FileNotFoundError):
                ended.append((path.stat().st_mtime, path))
    gone = [path for _, path in sorted(ended)[: max(len(ended) - newest, 0)]]
    for path in gone:
        path.unlink(missing_ok=True)
        times.beside(path).unlink(missing_ok=True)
    return [path.stem for path in gone]


def keep_within_bounds(directory: Path, *, keep: Container[str]) -> None:
    """Delete old logs (see `collect`) and give the oldest part of long ones back (see `bound`)."""
    collect(directory, keep)
    for path in directory.glob("*.log"):
        bound(path)


def tail(path: Path, lines: int) -> list[str]:
    """The last lines, at most `lines` of them; none when there is no such file."""
    return [text for _, text in tail_with_ends(path, lines)]


def tail_with_ends(path: Path, lines: int) -> list[tuple[int, str]]:
    """The same, each line with the offset behind it."""
    if lines <= 0:
        return []
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            data = _last_bytes(file, lines)
    except FileNotFoundError:
        return []
    found = []
    for line in reversed(data.splitlines(keepends=True)[-lines:]):
        found.append((end, _text(line.rstrip(b"\r\n"))))
        end -= len(line)
    return found[::-1]


def last_line(path: Path) -> str:
    """What a program said last, or "": of a crash its exception, which stack frames and farewells may follow."""
    lines = [line for line in reversed(tail(path, 50)) if line.strip()]
    crash = next((line for line in lines if not _FAREWELL.search(line)), "")
    return (crash if _EXCEPTION.match(crash) else next(iter(lines), "")).strip()


async def follow(path: Path, offset: int) -> AsyncIterator[tuple[int, str]]:
    """Whole lines from `offset` on, each with the offset behind it; waits for more, for ever, also for the file.

    Lines that were given back to the disk before they were read are skipped. A file that has become shorter is read
    from its start. A line of more than 1 MiB comes in pieces.
    """
    pending = b""
    while True:
        data, start = await asyncio.to_thread(_read, path, offset + len(pending))
        if start != offset + len(pending):
            offset, pending = start, b""
        pending += data
        *whole, pending = pending.split(b"\n")
        if len(pending) >= LONGEST_LINE:
            whole, pending = [*whole, pending], b""
            offset -= 1  # there is no newline to count
        for line in whole:
            offset += len(line) + 1
            text = _text(line)
            if text or not line:
                yield offset, text
        if not data:
            await asyncio.sleep(_LOOK_EVERY_S)


def _read(path: Path, offset: int) -> tuple[bytes, int]:
    """Up to one block, and the offset where it begins: behind the hole when `offset` lies in one."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if offset > size:
                offset = 0
            if offset == size:
                return b"", offset
            at = os.lseek(file.fileno(), offset, os.SEEK_DATA)
            file.seek(at)
            return file.read(_BLOCK), at
    except FileNotFoundError:
        return b"", offset
    except OSError as error:
        if error.errno == errno.ENXIO:  # nothing but a hole until the end
            return b"", offset
        raise


def _last_bytes(file: Any, lines: int) -> bytes:
    data = b""
    position = file.seek(0, os.SEEK_END)
    while position > 0 and data.count(b"\n") <= lines:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        data = file.read(step) + data
        if data.startswith(b"\0"):  # the hole
            break
        if len(data) > LONGEST_LINE * 8:
            break
    return data.lstrip(b"\0")


def _text(line: bytes) -> str:
    return line.lstrip(b"\0").decode(errors="replace").rstrip("\r")


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _punch(path: Path, until: int) -> bool:
    if sys.platform != "linux":
        return False
    descriptor = os.open(path, os.O_WRONLY)
    try:
        result = _libc().fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, ctypes.c_longlong(0), ctypes.c_longlong(until))
    finally:
        os.close(descriptor)
    return bool(result == 0)
