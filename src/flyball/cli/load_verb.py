"""`flyball load` with its options; what it does is in `load`, imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flyball.cli.options import File, Json

# ruff: noqa: PLC0415


def load(
    target: Annotated[str | None, Parameter(help="A service or a URL; by default the application.")] = None,
    *,
    rate: Annotated[float | None, Parameter(help="Requests per second.")] = None,
    lasting: Annotated[str | None, Parameter(name="--for", help="How long, such as 60s.")] = None,
    stages: Annotated[str | None, Parameter(help="Consecutive rates, such as 50:1m,400:3m.")] = None,
    trace: Annotated[
        Path | None, Parameter(help="A trace: CSV lines of seconds, requests per second; or an access log.")
    ] = None,
    speed: Annotated[float, Parameter(help="Play this many times as fast, at the same rates.")] = 1.0,
    scale: Annotated[float, Parameter(help="Multiply all rates by this.")] = 1.0,
    path: Annotated[str | None, Parameter(help="The path; by default the target's.")] = None,
    method: Annotated[str, Parameter(help="The HTTP method.")] = "GET",
    header: Annotated[
        tuple[str, ...], Parameter(name=["--header", "-H"], negative="", help='"Name: value"; repeatable.')
    ] = (),
    place: Annotated[str | None, Parameter(name="--from", help="Where the visitors are, such as eu-west-1.")] = None,
    body: Annotated[str, Parameter(help="The body, or @FILE.")] = "",
    expect: Annotated[str | None, Parameter(help="Statuses that count as ok, such as 200,404.")] = None,
    timeout: Annotated[str, Parameter(help="How long an answer may take.")] = "60s",
    requests: Annotated[int | None, Parameter(help="Stop after this many.")] = None,
    evenly: Annotated[bool, Parameter(negative="", help="Even gaps instead of Poisson arrivals.")] = False,
    seed: Annotated[int, Parameter(help="Seed of the random arrivals.")] = 0,
    allow_remote: Annotated[bool, Parameter(negative="", help="Allow a target on another machine.")] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Send open-loop load to a service or a URL; latency counts from when each request was due."""
    from flyball.cli.load import run
    from flyball.cli.look import address_of, keep_load

    return run(
        target, resolve=lambda name: address_of(file, name), rate=rate, lasting=lasting, stages=stages, trace=trace,
        speed=speed, scale=scale, path=path, method=method, headers=header, place=place, body=body,
        expect=expect, timeout=timeout, requests=requests, evenly=evenly, seed=seed,
        allow_remote=allow_remote, json=json, keep=lambda told: keep_load(file, told),
    )  # fmt: skip
