"""Opening the journal to go on with it. One that is damaged, or of another version, is set aside: the application goes
on from what runs, and whoever wants to know what was decided before still has the file.
"""

from __future__ import annotations

from pathlib import Path

from flyball.core.control.news import Mishap, MishapKind
from flyball.core.errors import Failed

from .journal import Damaged, Journal

_BESIDE = ("", "-wal", "-shm")


def opened(path: Path) -> tuple[Journal, Mishap | None]:
    """The journal, and what there is to tell of the one before. Raises Failed when none can be written there."""
    try:
        return _checked(path), None
    except Damaged as error:
        aside = _set_aside(path)
        text = f"{error}; it is kept as {aside.name}, and what runs goes on as it is"
        return Journal(path), Mishap(kind=MishapKind.JOURNAL_SET_ASIDE, text=text)


def _checked(path: Path) -> Journal:
    if path.is_dir():
        raise Damaged(f"the journal {path} is a directory")
    journal = Journal(path)
    try:
        journal.check()
    except BaseException:
        journal.close()
        raise
    return journal


def _set_aside(path: Path) -> Path:
    """Give it, and what SQLite keeps beside it, the first name that is free. Raises Failed when that is refused."""
    numbers = (number for number in range(1, 10_000) if not path.with_name(f"{path.name}.damaged-{number}").exists())
    aside = path.with_name(f"{path.name}.damaged-{next(numbers)}")
    try:
        for ending in _BESIDE:
            found = path.with_name(path.name + ending)
            if found.exists():
                found.rename(aside.with_name(aside.name + ending))
    except OSError as error:
        raise Failed(f"the damaged journal {path} cannot be renamed: {error.strerror}") from error
    return aside
