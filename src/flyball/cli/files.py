"""Which application is meant? That of the named file, or of `flyball.toml` here or in the nearest directory above."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flyball.core.errors import FileError
from flyball.local.paths import NAME as STATE
from flyball.local.paths import StateDirectory

if TYPE_CHECKING:
    from flyball.core.model import Application

NAME = "flyball.toml"


def find_file(path: Path | None) -> Path:
    """The absolute path of the file: `path`, `path`/flyball.toml, or the nearest one upwards. Raises FileError."""
    if path is not None:
        named = path.absolute() / NAME if path.is_dir() else path.absolute()
        if not named.is_file():
            raise FileError(f"there is no file {named}")
        return named
    here = Path.cwd()
    for directory in (here, *here.parents):
        if (directory / NAME).is_file():
            return directory / NAME
    raise FileError(f"there is no {NAME} in {here} or above it; create one with: flyball init")


def find_running(path: Path | None) -> Path:
    """Like `find_file`, but the file may be gone: a state directory is enough. Raises FileError."""
    if path is None:
        here = Path.cwd()
        directories: tuple[Path, ...] = (here, *here.parents)
    else:
        directories = (path.absolute(),) if path.is_dir() else (path.absolute().parent,) if path.name == NAME else ()
    for directory in directories:
        state = StateDirectory(directory / STATE)
        if (directory / NAME).is_file() or state.journal.is_file() or state.processes.is_dir():
            return directory / NAME
    return find_file(path)


def read_text(file: Path) -> str:
    """The text of the file. Raises FileError when it cannot be read or is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as wrong:
        raise FileError(f"{file} is not UTF-8 text: {wrong.reason} at byte {wrong.start}") from None
    except OSError as wrong:
        raise FileError(f"{file} cannot be read: {wrong.strerror}") from None


def load(file: Path) -> Application:
    """The application in the file, with the time zones of this machine. Raises ManifestError, FileError."""
    # Imported here because most verbs only find the file: `flyball ps` must not wait for what parses it.
    from zoneinfo import available_timezones  # noqa: PLC0415

    from flyball.core.manifest import parse  # noqa: PLC0415

    return parse(read_text(file), filename=file.name, timezones=available_timezones())
