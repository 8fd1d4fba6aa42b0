"""Where a session takes place, kept in files so that it can be left and resumed."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from flyball.cli import down, talk
from flyball.core.errors import Failed, NotRunning
from flyball.local.face import can_listen, free_port

STATE = ".flyball-lab"
APPLICATION = "board"
PORT = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The directory a session began in, the port of its balancer, its next step, and when it began (unix seconds)."""

    directory: Path
    session: str
    port: int
    step: int = 0
    began: float = 0.0

    @property
    def state(self) -> Path:
        """The directory of what is kept of it."""
        return self.directory / STATE / self.session

    @property
    def application(self) -> Path:
        """The directory of its application."""
        return self.directory / APPLICATION

    def at(self, step: int) -> Place:
        """The same place at another step, written down."""
        kept = {"port": self.port, "step": step, "began": self.began}
        self.state.mkdir(parents=True, exist_ok=True)
        _file(self.state).write_text(json.dumps(kept) + "\n", encoding="utf-8")
        return replace(self, step=step)


def find(directory: Path, session: str, port: int | None) -> Place:
    """Where the session was left, or a new place. Raises Failed if what was kept of it cannot be read."""
    file = _file(directory / STATE / session)
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        place = Place(directory=directory, session=session, port=int(kept["port"]), step=int(kept["step"]))
        return replace(place, began=float(kept["began"]))
    except FileNotFoundError:
        return _begin(directory, session, port)
    except (ValueError, KeyError, TypeError):
        raise Failed(f"{file} is damaged; begin anew with --restart") from None


def forget(directory: Path, session: str) -> None:
    """Stop the application, and delete it if a session made it: the session begins anew."""
    application = directory / APPLICATION
    if (application / "flyball.toml").is_file():
        try:
            down.run(application)
        except NotRunning:
            talk.say("nothing was running")
    if _made(directory).is_file():
        shutil.rmtree(application, ignore_errors=True)
        _made(directory).unlink()
    shutil.rmtree(directory / STATE / session, ignore_errors=True)


def finish(place: Place) -> None:
    """Keep nothing of a session that is done, except that a session made the application."""
    shutil.rmtree(place.state)


def _begin(directory: Path, session: str, port: int | None) -> Place:
    chosen = port or (PORT if can_listen(PORT) else free_port())
    place = Place(directory=directory, session=session, port=chosen, began=time.time()).at(0)
    if not place.application.exists():
        _made(directory).touch()
    return place


def _file(state: Path) -> Path:
    return state / "place.json"


def _made(directory: Path) -> Path:
    return directory / STATE / f"made-{APPLICATION}"
