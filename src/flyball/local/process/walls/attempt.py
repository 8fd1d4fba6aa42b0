"""Tries paths for real. A script that imports nothing of Flyball: python -I -S attempt.py INSIDE.

Standard input says where to try from (a process whose room is entered, or none, and a user) and what; standard output
says for each whether it succeeded. Nothing is imported, and no file of Python read, once the room is entered.
"""

from __future__ import annotations

import marshal
import os
import sys
from _socket import AF_INET, AF_UNIX
from _socket import socket as Socket  # noqa: N812

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATIENCE_S = 3.0


def main(script: str) -> None:
    """Read what to try, go there, try, tell."""
    with os.fdopen(0, "rb") as file:
        asked: dict[str, Any] = marshal.loads(file.read())  # noqa: S302 - written by our own starter
    inside: dict[str, Any] = {"__name__": "inside"}
    with open(script, "rb") as source:  # noqa: PTH123
        exec(compile(source.read(), script, "exec"), inside)  # noqa: S102
    if asked["pid"]:
        _enter(asked["pid"], inside)
    if asked["user"] is not None:
        inside["become"](asked["user"], asked["group"], asked["groups"])
    os.write(1, marshal.dumps([_succeeds(one) for one in asked["attempts"]]))
    os._exit(0)


def _enter(pid: int, inside: dict[str, Any]) -> None:
    inside["visit"](pid)
    child = os.fork()  # only a child is among the room's processes
    if child != 0:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 0xFF)


def _succeeds(one: tuple[Any, ...]) -> bool:
    try:
        return bool(_WAYS[one[0]](*one[1:]))
    except OSError:
        return False


def _answers(host: str, port: int, question: bytes) -> bool:
    """Whether something answers; who only lets connect and hangs up then does not."""
    channel = Socket(AF_INET)
    try:
        channel.settimeout(PATIENCE_S)
        channel.connect((host, port))
        if question:
            channel.send(question)
        return len(channel.recv(16)) > 0
    finally:
        channel.close()


def _listens(path: str) -> bool:
    channel = Socket(AF_UNIX)
    try:
        channel.settimeout(PATIENCE_S)
        channel.connect(path)
        return True
    finally:
        channel.close()


def _opens(path: str) -> bool:
    os.close(os.open(path, os.O_RDONLY))
    return True


def _signals(pid: int, started: int) -> bool:
    """Whether this very process may be signalled: inside a room the number is another's."""
    descriptor = os.open(b"/proc/%d/stat" % pid, os.O_RDONLY)
    fields = os.read(descriptor, 4096)
    os.close(descriptor)
    os.kill(pid, 0)
    return int(fields[fields.rindex(b")") + 2 :].split()[19]) == started


_WAYS: dict[str, Any] = {"answers": _answers, "listens": _listens, "opens": _opens, "signals": _signals}

if __name__ == "__main__":
    main(sys.argv[1])
