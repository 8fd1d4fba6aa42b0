"""The verb `simulate` and its options; `simulation.py` does it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from flyball.cli.options import Json, Place

# As in `main.py`, a verb imports what it needs when it is called.
# ruff: noqa: PLC0415


def simulate(
    path: Place = None,
    *,
    trace: Annotated[
        Path | None, Parameter(help="A trace: CSV lines of seconds, requests per second; or an access log.")
    ] = None,
    stages: Annotated[str | None, Parameter(help="Consecutive rates, such as 50:1m,400:3m.")] = None,
    speed: Annotated[float, Parameter(help="Play this many times as fast, at the same rates.")] = 1.0,
    scale: Annotated[float, Parameter(help="Multiply all rates by this.")] = 1.0,
    seed: Annotated[int, Parameter(help="Seed of all that is random.")] = 0,
    settings: Annotated[
        tuple[str, ...],
        Parameter(name="--set", negative="", help="KEY=VALUE instead of the file's value; repeatable."),
    ] = (),
    service: Annotated[
        str | None, Parameter(help="The service that gets the traffic; by default all with routes.")
    ] = None,
    request: Annotated[str | None, Parameter(help="Mean processor time of a request, such as 3ms.")] = None,
    start: Annotated[str | None, Parameter(help="Mean time from launch to first answer, such as 2s.")] = None,
    fault: Annotated[
        tuple[str, ...], Parameter(negative="", help='What breaks, such as "zone a at 10m for 5m"; repeatable.')
    ] = (),
    release: Annotated[
        int | None, Parameter(help="The measured release that serves; by default the newest of the calibration.")
    ] = None,
    deploy: Annotated[str | None, Parameter(help="Deploy a new release at this time, such as 300s.")] = None,
    to: Annotated[int | None, Parameter(help="The measured release that is deployed.")] = None,
    slower: Annotated[float, Parameter(help="How many times as long the new release takes for a request.")] = 1.0,
    failing: Annotated[str, Parameter(help="Share of its requests that the new release answers with an error.")] = "0%",
    place: Annotated[
        Literal["local", "aws"],
        Parameter(name="--as", help="Whose clock and start-up times: this machine's, or AWS's."),
    ] = "local",
    compare: Annotated[bool, Parameter(negative="", help="Show the file as it is beside the change.")] = False,
    html: Annotated[Path | None, Parameter(help="Write the report as one page with charts.")] = None,
    keep: Annotated[
        Path | None, Parameter(help="Write the journal into this directory, for events and replay.")
    ] = None,
    calibrate: Annotated[
        bool, Parameter(negative="", help="Simulate nothing: measure what instances do, from the journal of `up`.")
    ] = False,
    region: Annotated[
        str | None, Parameter(help="Only this region, with all of the traffic; by default all regions are simulated.")
    ] = None,
    visitors: Annotated[
        str | None,
        Parameter(
            name="--from", help="Where visitors are, such as us-east-1:60,eu-west-1:40; by default near each region."
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Rehearse traffic in virtual time: the same decisions as `up`, and what users would feel."""
    from flyball.cli.simulate import calibrate as measure
    from flyball.cli.simulation import run

    if calibrate:
        return measure(path)
    return run(
        path, trace=trace, stages=stages, speed=speed, scale=scale, seed=seed, settings=settings, service=service,
        request=request, start=start, faults=fault, release=release, deploy=deploy, to=to, slower=slower,
        failing=failing, place=place, compare=compare, html=html, keep=keep, region=region, visitors=visitors,
        json=json,
    )  # fmt: skip
