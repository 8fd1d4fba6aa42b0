"""A room, as the launcher is told of it."""

from __future__ import annotations

import marshal
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from .netlink import Message
from .view import View

VISIT = Path(__file__).with_name("visit.py")
INSIDE = Path(__file__).with_name("inside.py")
WORK = Path(__file__).with_name("work.py")
WITHIN = Path(__file__).with_name("within.py")
HOME = "/run/home"
COVER = "mode=755,size=1m"


@cache
def _code() -> CodeType:
    return compile(INSIDE.read_bytes(), str(INSIDE), "exec")


def in_room_of(pid: int, command: list[str]) -> list[str]:
    """The command that runs a command in the room of a process; the command itself where that has none.

    Raises OSError when the process cannot be looked at.
    """
    if os.path.samefile(f"/proc/{pid}/ns/net", "/proc/self/ns/net"):  # noqa: PTH121 - links that lead nowhere
        return command
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    told = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    script = [sys.executable, "-I", "-S", str(VISIT), str(INSIDE)]
    groups = ["-"] if os.geteuid() else told["Groups"]
    return [*script, str(pid), " ".join([told["Uid"][0], told["Gid"][0], *groups]), *command]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One room. `outside` is told to the router, `inside` to the room's own network, and `settings` are written there.

    `user` and `group` are numbers that nobody else on this machine has; `groups` are those of the stores it may use.
    `own` is what belongs to our user and appears as the room's user's (whether it may be written, path).
    `cover` says what lies over a covered directory: how much may be written there. `variables` are
    in a program's environment unless it has others of that name.
    """

    router: Path
    users: Path | None
    outside: tuple[Message, ...]
    inside: tuple[Message, ...]
    settings: tuple[tuple[str, str], ...]
    user: int
    group: int
    groups: tuple[int, ...] | None
    name: str
    view: View
    files: tuple[tuple[str, str], ...] = ()
    own: tuple[tuple[bool, Path], ...] = ()
    home: str = HOME
    cover: str = COVER
    umask: int = 0o007
    variables: tuple[tuple[str, str], ...] = ()

    def told(self, environment: Mapping[str, str], directory: Path) -> bytes:
        """What the launcher reads: bytes only, for nothing can be decoded once it is inside."""
        own = {**dict(self.variables), **environment, "HOME": self.home, "USER": self.name, "LOGNAME": self.name}
        told: dict[str, Any] = {
            "router": os.fsencode(self.router),
            "users": b"" if self.users is None else os.fsencode(self.users),
            "outside": [message.parts for message in self.outside],
            "inside": [message.parts for message in self.inside],
            "settings": [(path.encode(), value.encode()) for path, value in self.settings],
            "user": self.user,
            "group": self.group,
            "groups": None if self.groups is None else list(self.groups),
            "view": [(covers, os.fsencode(path)) for covers, path in self.view.steps],
            "files": [(os.fsencode(path), content.encode()) for path, content in self.files],
            "own": [(writable, os.fsencode(path)) for writable, path in self.own],
            "owner": os.getuid(),
            "home": self.home.encode(),
            "cover": self.cover.encode(),
            "umask": self.umask,
            "directory": os.fsencode(directory),
            "environment": {os.fsencode(name): os.fsencode(value) for name, value in own.items()},
        }
        return marshal.dumps((_code(), told))
