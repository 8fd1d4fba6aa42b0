"""The control plane's own log: one line per fact, and a failure to write never ends the control plane."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, TextIO

import structlog


class Patient:
    """A text stream that drops what it cannot write, because the disk is full or the reader is gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text, if possible."""
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare() -> None:
    """From now on writing output cannot fail. Tracebacks leave out values, which may be the user's secrets."""
    sys.stdout, sys.stderr = Patient(sys.stdout), Patient(sys.stderr)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
