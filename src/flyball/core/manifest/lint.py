"""Valid settings that may surprise you, on this machine and on AWS alike; each warning links to AWS's page.

A complaint stops a file; a warning does not. What AWS alone treats differently is in `flyball.aws.lint`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flyball.core.model import Application, Service, StoreKind, Strategy

_DOCS = "https://docs.aws.amazon.com/"
_EC2AS = _DOCS + "autoscaling/ec2/userguide/"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintWarning:
    """A valid setting that may surprise the user. `url` is the AWS page about it, or ""."""

    path: str
    message: str
    url: str = ""


def warnings(app: Application) -> tuple[LintWarning, ...]:
    """All warnings, services in file order."""
    found: list[LintWarning] = []
    for service in app.services:
        at = f"services.{service.name}"
        for source in (_capacity, _steps, _rollout):
            found += source(at, service)
    return (*found, *_unused_stores(app), *_own_stores(app))


def _capacity(at: str, service: Service) -> Iterator[LintWarning]:
    capacity, scaling = service.capacity, service.scaling
    policies = scaling.target_tracking or scaling.steps or scaling.hpa or scaling.kpa or scaling.adaptive
    if policies and capacity.min == capacity.max and not scaling.schedule:
        yield LintWarning(
            path=f"{at}.instances",
            message=f"min and max are both {capacity.min}, so the scaling policies have no effect",
            url=_EC2AS + "asg-capacity-limits.html",
        )
    if not policies and capacity.min < capacity.max and not scaling.schedule and scaling.predictive is None:
        yield LintWarning(
            path=f"{at}.scale",
            message=f"no policy: only `flyball scale` changes capacity between {capacity.min} and {capacity.max}",
        )
    if capacity.min == 0:
        yield LintWarning(
            path=f"{at}.instances.min",
            message="with no instances running, requests get a 503; they are not held until one starts",
            url=_DOCS + "AmazonECS/latest/developerguide/service-auto-scaling.html",
        )


def _steps(at: str, service: Service) -> Iterator[LintWarning]:
    out = [rule for rule in service.scaling.steps if rule.comparison.upward]
    if out and len(out) == len(service.scaling.steps) and not service.scaling.target_tracking:
        yield LintWarning(
            path=f"{at}.scale.out",
            message="no `in` rule, so added instances are never removed",
            url=_EC2AS + "as-scaling-simple-step.html",
        )


def _rollout(at: str, service: Service) -> Iterator[LintWarning]:
    rules, count = service.deployment, max(1, service.capacity.min)
    floor, ceiling = rules.fewest(count), rules.most(count)
    if rules.strategy is Strategy.ROLLING and floor >= count >= ceiling:
        yield LintWarning(
            path=f"{at}.deploy",
            message=f"at {count} instance{'s' * (count > 1)} the percentages round to {floor} and {ceiling}: "
            "a rollout can neither start nor stop an instance and waits until more are running",
            url=_DOCS + "AmazonECS/latest/APIReference/API_DeploymentConfiguration.html",
        )


def _unused_stores(app: Application) -> Iterator[LintWarning]:
    used = {store for service in app.services for store in service.stores}
    for store in app.stores:
        if store.name not in used:
            yield LintWarning(path=f"stores.{store.name}", message="no service uses this store")


def _own_stores(app: Application) -> Iterator[LintWarning]:
    for store in app.stores:
        if len(app.regions) > 1 and not store.replicate and store.kind is not StoreKind.REDIS:
            yield LintWarning(
                path=f"stores.{store.name}.replicate",
                message="each region keeps its own: what a visitor leaves in one is not seen in the others",
            )
