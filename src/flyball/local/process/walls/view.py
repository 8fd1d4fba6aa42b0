"""Which files a room sees: all that everybody may enter, as before, and of what lies behind closed directories only
what its program needs. Looks at the disk, changes nothing.

A directory that others may not enter (/root, `.flyball`) is covered; what is needed of it is brought before the cover.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_OTHERS_ENTER = 0o001
_LINKS = 40
_WIDE = frozenset({".local", "home", "root"})
"""Directories that hold far more than programs: of them only the `bin` is brought."""


@dataclass(frozen=True, slots=True)
class View:
    """What is done in this order: a directory is covered, or something is brought before the cover (`covers` False)."""

    steps: tuple[tuple[bool, Path], ...] = ()

    @property
    def covered(self) -> tuple[Path, ...]:
        """The directories that are covered."""
        return tuple(path for covers, path in self.steps if covers)

    @property
    def brought(self) -> tuple[Path, ...]:
        """What is brought before a cover."""
        return tuple(path for covers, path in self.steps if not covers)


def view(program: Path, path: str, needed: Iterable[Path], *, covered: Iterable[Path] = ()) -> View:
    """What a program needs that is started with this PATH, beside what is `needed`.

    `covered`: directories that are covered whatever their mode.
    """
    wanted = {*needed, *places_of(program)}
    for place in map(Path, filter(None, path.split(":"))):
        if place.is_absolute() and place.is_dir():
            wanted |= {place, _prefix(place / "program")}
    wanted |= {each.resolve() for each in wanted}
    anyhow = frozenset(_outermost(sorted(covered)))
    steps = tuple(_steps(sorted(each for each in wanted if each.exists()), Path("/"), anyhow))
    alone = (each for each in sorted(anyhow) if (True, each) not in steps and each.is_dir())
    return View((*((True, each) for each in alone), *steps))


def _steps(wanted: list[Path], below: Path, covered: Collection[Path]) -> Iterator[tuple[bool, Path]]:
    """What it takes to see these, all `below` a directory. What is brought may hold closed directories in its turn."""
    behind = {each: closed for each in wanted if (closed := _closed(each, below, covered)) is not None}
    yield from ((True, closed) for closed in sorted(set(behind.values())))
    for brought in _outermost(behind):
        yield False, brought
        yield from _steps([each for each in wanted if brought in each.parents], brought, covered)


def places_of(program: Path) -> set[Path]:
    """Where a program's own files lie: each link's directory, its interpreter's, and those of its virtual environment.

    For X/bin/program that is X.
    """
    found: set[Path] = set()
    waiting = [program]
    while waiting:
        for hop in _hops(waiting.pop()):
            prefix = _prefix(hop)
            if prefix in found:
                continue
            found.add(prefix)
            waiting += _interpreters(hop, prefix)
    return found


def _hops(path: Path) -> Iterator[Path]:
    yield path
    for _ in range(_LINKS):
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))
        yield path


def _prefix(program: Path) -> Path:
    above = program.parent.parent
    wide = above.name in _WIDE or above in {Path("/"), Path.home()}
    return above if program.parent.name in {"bin", "sbin"} and not wide else program.parent


def _interpreters(program: Path, prefix: Path) -> Iterator[Path]:
    """The program that a script's first line names, and the Python that a virtual environment is made of."""
    try:
        with program.open("rb") as file:
            first = file.readline(256)
        if first.startswith(b"#!") and (words := first[2:].split()):
            yield Path(os.fsdecode(words[0]))
        for line in (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home":
                yield Path(value.strip()) / "python3"
    except (OSError, UnicodeDecodeError):
        return


def _closed(path: Path, below: Path, covered: Collection[Path]) -> Path | None:
    """The first directory on the way from another to a path that others may not enter, or that is covered anyhow."""
    for directory in reversed(path.parents):
        if below not in directory.parents or not directory.exists():
            continue
        if directory in covered or not directory.stat().st_mode & _OTHERS_ENTER:
            return directory
    return None


def _outermost(paths: Iterable[Path]) -> Iterator[Path]:
    last = None
    for path in paths:
        if last is None or last not in path.parents:
            yield path
            last = path
