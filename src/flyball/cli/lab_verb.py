"""The verb `lab` and its options; the folder `lab` does it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

# What does the work is imported when the verb is called: `flyball ps` must not wait for it.
# ruff: noqa: PLC0415


def lab(
    session: Annotated[Literal["session-1", "session-2"], Parameter(help="Which session of the workshop.")],
    *,
    yes: Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Go through it unattended.")] = False,
    restart: Annotated[bool, Parameter(negative="", help="Stop and delete what the session made; begin anew.")] = False,
    port: Annotated[int | None, Parameter(help="Port of the balancer (default 8080, or a free one).")] = None,
) -> int:
    """Go through a session of the workshop; each step is checked on the running application."""
    from flyball.cli.lab.walk import run, text

    return run(session, text(session), Path.cwd(), None if yes else sys.stdin, restart=restart, port=port)
