"""The DNS name: one record per region and, by geolocation, continent; each with its region's health check.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_route53 as route53

from flyball.core.model import EdgeRouting
from flyball.core.model.edge import edge_health_path, served

from .balancer import Balancer, hosted_zone
from .site import Site

FAST_S = 10
SLOW_S = 30
"""Route 53 checks every 10 or every 30 seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """What makes a record one of several: its identifier, and the properties of the routing policy."""

    identifier: str
    properties: dict[str, Any]


def build(site: Site, balancer: Balancer) -> None:
    """This region's records, if the file has a domain."""
    domain = site.aws.domain
    if domain is None:
        return
    if len(site.app.region_names) == 1:
        _record(site, balancer, domain, "Record", {})
        return
    check = _health_check(site, balancer)
    for index, rule in enumerate(_rules(site)):
        name = "Record" if index == 0 else f"Record{rule.identifier.rpartition('-')[2]}"
        _record(
            site,
            balancer,
            domain,
            name,
            {"set_identifier": rule.identifier, "health_check_id": check, **rule.properties},
        )


def _record(site: Site, balancer: Balancer, domain: str, name: str, rule: dict[str, Any]) -> None:
    made = route53.CfnRecordSet
    made(
        site.stack,
        name,
        hosted_zone_id=hosted_zone(site),
        name=domain,
        type="A",
        alias_target=made.AliasTargetProperty(
            dns_name=balancer.dns_name, hosted_zone_id=balancer.zone, evaluate_target_health=True
        ),
        **rule,
    )


def _rules(site: Site) -> list[_Rule]:
    """How Route 53 leads visitors here. By geolocation the primary region also gets whom no other serves (`*`)."""
    name = site.region
    region = next(one for one in site.app.regions if one.name == name)
    match site.app.edge.routing:
        case EdgeRouting.LATENCY:
            return [_Rule(identifier=name, properties={"region": name})]
        case EdgeRouting.FAILOVER:
            return [_Rule(identifier=name, properties={"failover": "PRIMARY" if site.primary else "SECONDARY"})]
        case EdgeRouting.WEIGHTED:
            return [_Rule(identifier=name, properties={"weight": region.weight})]
        case EdgeRouting.GEO:
            made = route53.CfnRecordSet.GeoLocationProperty
            places = [(str(code), made(continent_code=str(code))) for code in served(region)]
            places += [("default", made(country_code="*"))] if site.primary else []
            return [_Rule(identifier=f"{name}-{code}", properties={"geo_location": place}) for code, place in places]


def _health_check(site: Site, balancer: Balancer) -> str:
    """Checks this region's balancer from around the world, every 10 or 30 seconds: what Route 53 has.

    Where no route leads to a service's health path, it only checks that a connection opens; the record's target health
    evaluation covers the rest.
    """
    made = route53.CfnHealthCheck
    tls = site.app.listener.tls is not None
    path, health = edge_health_path(site.app), site.app.edge.health
    protocol = "HTTPS" if tls else "HTTP"
    check = made(
        site.stack,
        "RegionCheck",
        health_check_config=made.HealthCheckConfigProperty(
            type="TCP" if path is None else protocol,
            fully_qualified_domain_name=balancer.dns_name,
            port=443 if tls else 80,
            resource_path=path,
            request_interval=FAST_S if health.interval_s < SLOW_S else SLOW_S,
            failure_threshold=health.unhealthy_threshold,
            measure_latency=False,
            enable_sni=None if path is None else tls,
        ),
        health_check_tags=[
            made.HealthCheckTagProperty(key="Name", value=site.name(site.region)),
        ],
    )
    return str(check.attr_health_check_id)
