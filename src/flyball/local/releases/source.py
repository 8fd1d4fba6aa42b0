"""A directory of source code: what of it belongs to a release, its fingerprint, a copy of it.

What tools make from the source is left out, wherever it lies: version control, `.flyball`, virtual environments,
bytecode, caches of common tools, and node_modules where a build will make it anew. So is flyball.toml: what it says of
an instance is part of the release anyway, and a new route must not restart one.
Of links only those that stay inside the tree are taken; sockets, pipes and devices are left out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flyball.core.errors import FileError

LEFT_OUT = frozenset(
    {
        ".DS_Store", ".eggs", ".flyball", ".git", ".hg", ".hypothesis", ".import_linter_cache", ".mypy_cache", ".nox",
        ".pytest_cache", ".ruff_cache", ".svn", ".tox", ".venv", "__pycache__", "flyball.schema.json",
        "flyball.toml",
    }
)  # fmt: skip
LEFT_OUT_ENDINGS = (".pyc", ".pyo")
MODULES = "node_modules"
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or link of a tree. `name` is relative, with "/". `link` is where a link leads, else None."""

    name: str
    path: Path
    executable: bool
    link: str | None


def entries(directory: Path, *, built: bool = False) -> list[Entry]:
    """The files of a release, sorted by name. `built`: a build follows, which makes node_modules.

    Raises FileError when the directory cannot be read or a link leads out of it.
    """
    if not directory.is_dir():
        raise FileError(f"the source {directory} is not a directory")
    root = directory.resolve()
    left_out = LEFT_OUT | {MODULES} if built else LEFT_OUT
    try:
        return sorted(_walk(root, root, left_out), key=lambda entry: entry.name)
    except OSError as error:
        raise FileError(f"the source {directory} cannot be read: {error}") from error


def fingerprint(directory: Path, *, built: bool = False) -> str:
    """64 hexadecimal digits that are equal for equal names, contents, executable bits and links; times do not matter.

    Raises FileError as `entries` does.
    """
    return digest(entries(directory, built=built))


def digest(found: list[Entry]) -> str:
    """The fingerprint of these files. Raises FileError when one cannot be read."""
    whole = hashlib.sha256()
    for entry in found:
        kind = "link" if entry.link is not None else "program" if entry.executable else "file"
        size, inner = _digest_of(entry)
        whole.update(f"{kind} {size} ".encode() + os.fsencode(entry.name) + b"\0")
        whole.update(inner)
    return whole.hexdigest()


def copy(found: list[Entry], target: Path, *, writable: bool) -> None:
    """Copy files into a new directory, with their times; read-only unless `writable`. Raises OSError."""
    target.mkdir(parents=True)
    for entry in found:
        place = target / entry.name
        place.parent.mkdir(parents=True, exist_ok=True)
        if entry.link is not None:
            place.symlink_to(entry.link)
            continue
        _copy(entry.path, place)
        place.chmod((0o755 if entry.executable else 0o644) if writable else (0o555 if entry.executable else 0o444))


def _digest_of(entry: Entry) -> tuple[int, bytes]:
    """Size and hash of a file's content, read piece by piece, or of where a link leads."""
    if entry.link is not None:
        target = os.fsencode(entry.link)
        return len(target), hashlib.sha256(target).digest()
    try:
        with entry.path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256")
            return file.tell(), inner.digest()
    except OSError as error:
        raise FileError(f"{entry.path} cannot be read: {error.strerror}") from error


def _copy(path: Path, place: Path) -> None:
    """Copy a file with its times; where it has holes, the copy has them too: one of 1 GB may hold a few bytes."""
    found = path.stat()
    if found.st_blocks * 512 >= found.st_size or not hasattr(os, "SEEK_DATA"):
        shutil.copy2(path, place)
        return
    with path.open("rb") as source, place.open("wb") as target:
        target.truncate(found.st_size)
        for begin, end in _filled(source.fileno(), found.st_size):
            source.seek(begin)
            target.seek(begin)
            for size in _pieces(end - begin):
                target.write(source.read(size))
    shutil.copystat(path, place)


def _pieces(size: int) -> Iterator[int]:
    yield from [_PIECE_BYTES] * (size // _PIECE_BYTES)
    yield size % _PIECE_BYTES


def _filled(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that hold something."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, end


def _walk(root: Path, directory: Path, left_out: frozenset[str]) -> Iterator[Entry]:
    with os.scandir(directory) as listing:
        for item in listing:
            path = Path(item.path)
            if item.name in left_out or item.name.endswith(LEFT_OUT_ENDINGS):
                continue
            name = path.relative_to(root).as_posix()
            if item.is_symlink():
                yield Entry(name, path, executable=False, link=_inside(root, path))
            elif item.is_dir():
                if not (path / "pyvenv.cfg").exists():
                    yield from _walk(root, path, left_out)
            elif item.is_file():
                yield Entry(name, path, executable=bool(item.stat().st_mode & 0o100), link=None)


def _inside(root: Path, path: Path) -> str:
    target = str(path.readlink())
    if Path(target).is_absolute() or not Path(os.path.realpath(path)).is_relative_to(root):
        raise FileError(
            f"{path} is a link to {target}, out of the source: a release must be complete in itself; "
            "copy the file there, or make the link relative and inside"
        )
    return target
