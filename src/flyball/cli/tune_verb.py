"""The verb `tune` and its options; `tune.py` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flyball.cli.options import File, Json


def tune(
    service: Annotated[str, Parameter(help="The service whose settings are searched.")],
    *,
    slo: Annotated[str, Parameter(help='What users are promised: "p99 < 200ms", p50, p95, or "errors < 1%".')],
    trace: Annotated[
        tuple[Path, ...],
        Parameter(
            negative="",
            help="Traffic; repeatable. The last one checks what the others taught; of one, its second half.",
        ),
    ] = (),
    scale: Annotated[float, Parameter(help="Multiply all rates by this.")] = 1.0,
    request: Annotated[str | None, Parameter(help="Mean processor time of a request, such as 3ms.")] = None,
    start: Annotated[str | None, Parameter(help="Mean time from launch to first answer, such as 2s.")] = None,
    size: Annotated[
        tuple[float, ...], Parameter(negative="", help="Also try instances with so many cores; repeatable.")
    ] = (),
    place: Annotated[
        Literal["local", "aws"], Parameter(name="--as", help="Whose clock, start-up times and policies.")
    ] = "local",
    budget: Annotated[str, Parameter(help="How long to search.")] = "5m",
    runs: Annotated[
        int | None, Parameter(help="Stop after so many runs instead: the same result on every machine.")
    ] = None,
    seeds: Annotated[int, Parameter(help="Runs of each finalist.")] = 3,
    html: Annotated[Path | None, Parameter(help="Write what was found as one page with a plot.")] = None,
    write: Annotated[bool, Parameter(negative="", help="Write the chosen lines into the file; comments stay.")] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Search the setting that holds an SLO for the least instance-hours; exit 1 if nothing holds it."""
    from flyball.cli.tune import Asked, run  # noqa: PLC0415 - as in `main.py`

    asked = Asked(
        service=service, slo=slo, traces=trace, scale=scale, request=request, start=start, sizes=size, place=place,
        budget=budget, runs=runs, seeds=seeds,
    )  # fmt: skip
    return run(file, asked, html=html, write=write, json=json)
