"""Runs a command in a new room and ends as it ends. A script that imports nothing of Flyball.

    python -I -S work.py PROGRAM [ARGUMENT ...]

Standard input says which room, as for the launcher (`detach`), whose place this takes for what runs to its end: builds
and tests. All processes of the room are in this process's group: whoever kills that leaves none of them.
"""

from __future__ import annotations

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NOT_STARTED = 126


def main(command: list[str]) -> None:
    """Make the room, run, end with the command's code."""
    with os.fdopen(0, "rb", closefd=False) as file:
        code, said = marshal.loads(file.read())  # noqa: S302 - written by our own starter
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    inside: Any = {"__name__": "inside"}
    exec(code, inside)  # noqa: S102
    words = [os.fsencode(word) for word in command]
    try:
        _run(words, said, inside)
    except OSError as error:
        os.write(2, b"cannot be run behind walls: " + str(error).encode() + b"\n")
        os._exit(NOT_STARTED)


def _run(words: list[bytes], said: Any, inside: Any) -> None:
    router = os.open(said["router"], os.O_RDONLY)
    inside["join"](said["users"])
    said["owners"] = inside["owners"](said["user"], said["group"], said["owner"]) if said["own"] else -1
    inside["unshare"](inside["NEW_NETWORK"] | inside["NEW_MOUNTS"] | inside["NEW_IPC"] | inside["NEW_PIDS"])
    inside["connect"](said, router)
    child = os.fork()
    if child != 0:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)
    inside["arrange"](said)
    inside["first_process"](said, os.dup(0))
    inside["settle"](said)
    os.closerange(3, 1024)
    os.execve(words[0], words, said["environment"])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
