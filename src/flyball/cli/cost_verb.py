"""The verb `cost` and its options; `cost.py` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flyball.cli.options import Json, Place


def cost(
    path: Place = None,
    *,
    trace: Annotated[
        Path | None, Parameter(help="What this traffic would cost: CSV lines of seconds, requests per second.")
    ] = None,
    scale: Annotated[float, Parameter(help="Multiply the trace's rates by this.")] = 1.0,
    region: Annotated[str | None, Parameter(help="Prices of this region instead of the file's.")] = None,
    response: Annotated[
        str | None, Parameter(help="Mean size of a response, such as 20KB; by default as measured, else 10KB.")
    ] = None,
    json: Json = False,
) -> int:
    """Show what the application costs on AWS: now, at its bounds, for its traffic, and what would save."""
    from flyball.cli.cost import run  # noqa: PLC0415 - as in `main.py`

    return run(path, trace=trace, scale=scale, region=region, response=response, json=json)
