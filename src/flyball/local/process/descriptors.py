"""How many files may be open here: Flyball holds one per instance and more, the balancer two per request.

A shell may allow as few as it likes (`ulimit -n`). The soft limit is anybody's to raise to the hard one, and root's to
raise further; where that is still too little, one sentence says what is needed.
"""

from __future__ import annotations

import contextlib
import resource

from flyball.core.errors import Failed

LEAST = 1024
"""Enough for some hundred connections at a time."""


def provide() -> None:
    """Allow this process, and what it starts, at least `LEAST` open files. Raises Failed where that is refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= LEAST:
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (LEAST, max(hard, LEAST)))
    if most() < LEAST:
        raise Failed(
            f"only {hard} files may be open here, and Flyball needs {LEAST}: allow more with `ulimit -n {LEAST}`"
            " in a new shell, or in /etc/security/limits.conf"
        )


def most() -> int:
    """How many a process here may ask for."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
