"""What the control plane says of itself: one line per fact, and never a reason for it to end."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, TextIO

import structlog


class Patient:
    """A text stream whose disk may be full, or whose reader may be gone: what cannot be written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write it, if that is possible."""
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Send it on its way, if that is possible."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def prepare() -> None:
    """From now on nothing that is said can fail. Tracebacks come without values: those hold the user's secrets."""
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
