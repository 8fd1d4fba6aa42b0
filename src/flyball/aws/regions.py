"""The DNS name: one record per region, by latency or failover, each with its own health check.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy.html
"""

from __future__ import annotations

from aws_cdk import aws_route53 as route53

from flyball.core.model import Application, RegionRouting
from flyball.core.model.rules import is_pattern

from .balancer import Balancer, hosted_zone
from .site import Site


def build(site: Site, balancer: Balancer) -> None:
    """This region's record, if the file has a domain."""
    domain = site.aws.domain
    if domain is None:
        return
    made = route53.CfnRecordSet
    several = len(site.aws.regions) > 1
    latency = several and site.aws.routing is RegionRouting.LATENCY
    failover = several and site.aws.routing is RegionRouting.FAILOVER
    role = "PRIMARY" if site.primary else "SECONDARY"
    made(
        site.stack,
        "Record",
        hosted_zone_id=hosted_zone(site),
        name=domain,
        type="A",
        alias_target=made.AliasTargetProperty(
            dns_name=balancer.dns_name, hosted_zone_id=balancer.zone, evaluate_target_health=True
        ),
        set_identifier=site.region if several else None,
        region=site.region if latency else None,
        failover=role if failover else None,
        health_check_id=_health_check(site, balancer) if several else None,
    )


def _health_check(site: Site, balancer: Balancer) -> str:
    """Checks this region's balancer from around the world; three failures in a row take the region out.

    Where no route leads to a service's health path, it only checks that a connection opens; the record's target health
    evaluation covers the rest.
    """
    made = route53.CfnHealthCheck
    tls = site.app.listener.tls is not None
    path = reachable_health_path(site.app)
    protocol = "HTTPS" if tls else "HTTP"
    check = made(
        site.stack,
        "RegionCheck",
        health_check_config=made.HealthCheckConfigProperty(
            type="TCP" if path is None else protocol,
            fully_qualified_domain_name=balancer.dns_name,
            port=443 if tls else 80,
            resource_path=path,
            request_interval=30,
            failure_threshold=3,
            measure_latency=False,
            enable_sni=None if path is None else tls,
        ),
        health_check_tags=[
            made.HealthCheckTagProperty(key="Name", value=site.name(site.region)),
        ],
    )
    return str(check.attr_health_check_id)


def reachable_health_path(app: Application) -> str | None:
    """A health path that the balancer routes to its own service, or None."""
    for service in app.services:
        for route in service.routes:
            plain = not is_pattern(route.condition.path) and route.condition.host is None
            below = service.health.path.startswith(route.condition.path.rstrip("/") + "/")
            if plain and below and not route.condition.headers:
                return service.health.path
    return None
