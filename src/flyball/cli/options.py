"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

File = Annotated[
    Path | None, Parameter(name="--file", help="The flyball.toml or its directory; by default the nearest one upwards.")
]
Place = Annotated[Path | None, Parameter(help="The flyball.toml or its directory; by default the nearest one upwards.")]
Only = Annotated[str | None, Parameter(help="Only this service.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON on stdout.")]
Since = Annotated[str | None, Parameter(help="How far back to look, such as 10m.")]
Follow = Annotated[bool, Parameter(name=["--follow", "-f"], negative="", help="Keep printing as things happen.")]
Region = Annotated[str | None, Parameter(name="--region", help="Only this region, where there are several.")]
Regions = Annotated[
    tuple[str, ...],
    Parameter(name="--region", negative="", help="Only this region, where there are several; repeatable."),
]


def seconds(text: str | None) -> float | None:
    """A duration of the command line, such as 10m."""
    from flyball.core.arrivals import parse_duration  # noqa: PLC0415 - hardly a verb needs it

    return None if text is None else parse_duration(text)
