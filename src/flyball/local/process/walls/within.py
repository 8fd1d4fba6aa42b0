"""Becomes a program in a network that a keeper has: python -I -S within.py INSIDE USERS NETWORK PROGRAM [ARGUMENT ...]

Imports nothing of Flyball. The program sees this machine's files and processes, as its caller does.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(script: str, users: str, network: str, command: list[str]) -> None:
    """Enter, become the program."""
    inside: Any = {"__name__": "inside"}
    with open(script, "rb") as source:  # noqa: PTH123
        exec(compile(source.read(), script, "exec"), inside)  # noqa: S102
    descriptor = os.open(network, os.O_RDONLY)
    inside["join"](os.fsencode(users))
    inside["enter"](descriptor, inside["NEW_NETWORK"])
    os.close(descriptor)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
