"""Every error a user can meet. The docstring of a class is its default message.

FlyballError
├── FileError            exit 2: the file or the command line is wrong, nothing was started
├── NotRunning           exit 3: there is no such running application
└── Failed               exit 1: the thing that was asked for failed
"""

from __future__ import annotations


class FlyballError(Exception):
    """Something went wrong."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class FileError(FlyballError):
    """The file cannot be used; nothing was started."""

    exit_code = 2


class NotRunning(FlyballError):
    """No application is running here. Start it with: flyball up"""

    exit_code = 3


class Failed(FlyballError):
    """It failed."""

    exit_code = 1
