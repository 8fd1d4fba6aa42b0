"""What AWS would refuse, or accept without it ever working, reported before anything is deployed.

Each sentence has the place in the file, the value and what AWS would do. Public linters miss these mistakes, or report
them late and in terms of the template.
"""

from __future__ import annotations

from collections.abc import Iterator

from flyball.core.model import Application, Aws, Service
from flyball.core.model.edge import in_region

from . import deployments, places, scaling, services, stores


def refusals(app: Application) -> tuple[str, ...]:
    """Every reason the application cannot run on AWS as written; empty when it can."""
    if app.aws is None:
        return ("aws: missing; synthesis needs its region and compute",)
    if not app.region_names or not {*app.region_names} <= {one.name for one in app.regions}:
        return tuple(_all(app, app.aws))  # no regions, or a primary one that is none of them
    found = [reason for name in app.region_names for reason in _all(in_region(app, name), app.aws)]
    return tuple(dict.fromkeys(found))


def _all(app: Application, aws: Aws) -> Iterator[str]:
    yield from places.of_names(app)
    yield from places.of_network(app, aws)
    yield from places.of_listener(app, aws)
    yield from places.of_account(app, aws)
    for service in app.services:
        yield from _of_service(aws, service)
    for store in app.stores:
        yield from stores.of_store(app, store)


def _of_service(aws: Aws, service: Service) -> Iterator[str]:
    yield from services.of_health(aws, service)
    yield from services.of_size(aws, service)
    yield from services.of_capacity(service)
    yield from scaling.of_scaling(aws, service)
    yield from services.of_balancing(service)
    yield from deployments.of_deployment(aws, service)
    yield from services.of_commands(service)
