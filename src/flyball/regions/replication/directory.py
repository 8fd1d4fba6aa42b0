"""One region's bucket as a directory: its listing, and changes that no reader sees half and no writer loses by.

What a writer has not finished yet has a name that ends with `#` and digits, as object stores on directories do; so has
what we write, until it is whole.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .decide import Key, Version

UNFINISHED = re.compile(r"#\d+$")
AHEAD_NS = 1_000_000_000
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
_AT_FDCWD = -100


class Changed(Exception):
    """Somebody has written or deleted the object meanwhile: what is to be done must be decided again."""


def listing(directory: Path) -> dict[Key, Version]:
    """Every object. Raises OSError when the directory cannot be read: nothing in it is taken for deleted then."""
    with os.scandir(directory):
        return dict(_listed(directory, ""))


def identity(directory: Path) -> str:
    """Which directory this is: another disk in its place is another one."""
    found = directory.stat()
    return f"{found.st_dev}:{found.st_ino}"


def renew(key: Key, directory: Path) -> Version | None:
    """Say of an object that it was written now; its version then."""
    now = time.time_ns()
    with contextlib.suppress(FileNotFoundError):
        os.utime(directory / key, ns=(now, now))
    return _version(directory / key)


def _listed(directory: Path, prefix: str) -> Iterator[tuple[Key, Version]]:
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _listed(Path(entry.path), f"{prefix}{entry.name}/")
        elif entry.is_file(follow_symlinks=False) and not UNFINISHED.search(entry.name):
            version = _version(Path(entry.path))
            if version is not None:
                yield prefix + entry.name, version


def _version(path: Path) -> Version | None:
    try:
        found = path.stat(follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    now = time.time_ns()
    if found.st_mtime_ns > now + AHEAD_NS:  # a writer whose clock is ahead: nothing could replace it for so long
        with contextlib.suppress(OSError):
            os.utime(path, ns=(now, now))
        return Version(now, found.st_size)
    return Version(found.st_mtime_ns, found.st_size)


def copy(key: Key, source: Path, target: Path, *, version: Version, instead: Version | None) -> None:
    """Bring a version over. Raises Changed when source or target has another one by now, OSError from the disk."""
    place = target / key
    _make(place.parent)
    unfinished = _unfinished(place)
    try:
        shutil.copyfile(source / key, unfinished, follow_symlinks=False)
        shutil.copystat(source / key, unfinished)
        if place.parent.stat().st_mode & stat.S_ISGID:  # behind walls a group shares it: it may write what it reads
            unfinished.chmod(stat.S_IMODE(unfinished.stat().st_mode) | 0o660)
        os.utime(unfinished, ns=(version.at_ns, version.at_ns))
        if _version(source / key) != version or unfinished.stat().st_size != version.size:
            raise Changed(key)
        _put(unfinished, place, instead)
    except FileNotFoundError as error:
        raise Changed(key) from error
    finally:
        unfinished.unlink(missing_ok=True)


def _make(directory: Path) -> None:
    """Make a directory, open to whom its parent is."""
    if not directory.is_dir():
        _make(directory.parent)
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
            directory.chmod(stat.S_IMODE(directory.parent.stat().st_mode))


def delete(key: Key, target: Path, *, instead: Version) -> None:
    """Delete a version. Raises Changed when another one is there by now."""
    place = target / key
    aside = _unfinished(place)
    try:
        place.rename(aside)
    except FileNotFoundError:
        return
    if _version(aside) != instead:
        with contextlib.suppress(FileExistsError):  # one that is newer still stays
            os.link(aside, place)
        aside.unlink()
        raise Changed(key)
    aside.unlink()


def _put(unfinished: Path, place: Path, instead: Version | None) -> None:
    """Put the finished file in its place, if that is as expected."""
    if instead is None:
        try:
            os.link(unfinished, place)
        except FileExistsError as error:
            raise Changed(place.name) from error
        return
    if not _exchanged(unfinished, place):
        if _version(place) != instead:
            raise Changed(place.name)
        unfinished.replace(place)
        return
    if _version(unfinished) != instead:  # it was written meanwhile, and that counts
        _exchanged(unfinished, place)
        raise Changed(place.name)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two files in one step; False where the system cannot. Raises FileNotFoundError when one is missing."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.ENOENT:
        raise FileNotFoundError(number, os.strerror(number), str(other))
    if number in {errno.EINVAL, errno.ENOSYS}:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _unfinished(place: Path) -> Path:
    return place.with_name(f"{place.name}#{secrets.randbelow(10**12)}")
