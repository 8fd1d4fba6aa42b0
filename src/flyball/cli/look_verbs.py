"""The verbs `exec`, `doctor` and `network` and their options; `look.py` and `network.py` do it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from flyball.cli.options import File, Json, Region

# As in `main.py`, a verb imports what it needs when it is called.
# ruff: noqa: PLC0415


def exec_(
    service: Annotated[str, Parameter(help="A service or an instance.")],
    *command: Annotated[str, Parameter(allow_leading_hyphen=True, help="The command to run.")],
    region: Region = None,
    file: File = None,
) -> int:
    """Run a command in an instance's directory and environment."""
    from flyball.cli.look import exec_

    return exec_(file, service, list(command), region=region)


def doctor(*, json: Json = False) -> int:
    """Check this machine: what Flyball needs and what it finds."""
    from flyball.cli.look import doctor

    return doctor(json=json)


def network(
    *,
    probe: Annotated[bool, Parameter(negative="", help="Try each path of the running application.")] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Show every path between visitors, services and stores; exit 1 if one is other than declared."""
    from flyball.cli.network import run

    return run(file, probe=probe, json=json)
