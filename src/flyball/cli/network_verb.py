"""The verb `network` and its options; `network.py` does it."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from flyball.cli.options import File, Json

# As in `main.py`, a verb imports what it needs when it is called.
# ruff: noqa: PLC0415


def network(
    *,
    probe: Annotated[bool, Parameter(negative="", help="Try each path of the running application.")] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Show every path between visitors, services and stores; exit 1 if one is other than declared."""
    from flyball.cli.network import run

    return run(file, probe=probe, json=json)
