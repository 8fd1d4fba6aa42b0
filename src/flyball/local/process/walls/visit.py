"""Runs a command in the room of a process, as its user. A script that imports nothing of Flyball.

    python -I -S visit.py INSIDE PID WHO COMMAND [ARGUMENT ...]

WHO is the numbers of the user, its group and further groups, which are - where there can be none. The command has this
script's environment, and the directory and the streams as they are.
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(script: str, pid: str, who: str, command: list[str]) -> None:
    """Enter, become the user, run; end as the command ends."""
    inside: dict[str, Any] = {"__name__": "inside"}
    with open(script, "rb") as source:  # noqa: PTH123
        exec(compile(source.read(), script, "exec"), inside)  # noqa: S102
    words, environment = [os.fsencode(word) for word in command], dict(os.environb)
    places = [b""] if b"/" in words[0] else [place + b"/" for place in environment.get(b"PATH", b"/bin").split(b":")]
    directory, missing = os.fsencode(os.readlink(f"/proc/{pid}/cwd")), os.strerror(errno.ENOENT)  # noqa: PTH115
    user, group, *groups = who.split()
    inside["visit"](int(pid))
    child = os.fork()  # only a child is among the room's processes
    if child != 0:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    os.chdir(directory)
    inside["become"](int(user), int(group), None if groups == ["-"] else [int(one) for one in groups])
    for place in places:
        try:
            os.execve(place + words[0], words, environment)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            missing = os.strerror(error.errno or errno.EACCES)
            break
    os.write(2, words[0] + b" cannot be run: " + missing.encode() + b"\n")
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
