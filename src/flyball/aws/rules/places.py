"""Rules of names, network, listener and account."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations

from flyball.core.model import Application, Aws, Condition, EdgeRouting
from flyball.core.model.rules import HIGHEST, Forward, rules_in_order

from .regions import unknown

RETENTION_DAYS = frozenset(
    (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
)
NAME = re.compile(r"[a-z]([a-z0-9]|-(?!-))*(?<!-)")
MACHINE = re.compile(r"[a-z]+\d+[a-z-]*\.(nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?)")
CONNECTION = re.compile(r"arn:aws:(codestar-connections|codeconnections):[a-z0-9-]+:\d{12}:connection/[0-9a-f-]+")
CERTIFICATE = re.compile(r"arn:aws:acm:([a-z0-9-]+):\d{12}:certificate/[0-9a-f-]+")
FAILOVER_REGIONS = 2
LONGEST_NAME = 28
"""A bucket name has at most 63 characters; purpose, account and region take the rest."""


def of_names(app: Application) -> Iterator[str]:
    """Names become parts of bucket names, roles and DNS labels."""
    if not NAME.fullmatch(app.name) or len(app.name) > LONGEST_NAME:
        yield (
            f"name: {app.name!r} becomes part of bucket names: at most {LONGEST_NAME} lower-case letters, digits "
            "and single hyphens; S3 would refuse the bucket"
        )
    for service in app.services:
        if not NAME.fullmatch(service.name):
            yield f"services.{service.name}: ECR accepts only lower-case letters, digits and single hyphens in a name"


def of_network(app: Application, aws: Aws) -> Iterator[str]:
    """Nested address ranges, with a pair of subnets for each of at least two zones."""
    zones = len(app.zones)
    if zones < 2:
        yield f"zones: {zones}; a load balancer needs subnets in two zones; CreateLoadBalancer would fail"
    for kind in ("public", "private"):
        given = len(getattr(aws.network, f"{kind}_subnets"))
        if given < zones:
            yield f"network.{kind}_subnets: {given} for {zones} zones; a zone without a subnet runs nothing"
    whole = _range(aws.network.cidr)
    parts = [(text, _range(text)) for text in (*aws.network.public_subnets, *aws.network.private_subnets)]
    if whole is None or not 16 <= whole.prefixlen <= 28:
        yield f"network.cidr: {aws.network.cidr!r}; CreateVpc accepts an IPv4 range from /16 to /28"
        return
    for text, part in parts:
        if part is None or not part.subnet_of(whole) or part.prefixlen > 28:
            yield f"network: subnet {text!r} is not a range of at least /28 within {whole}; CreateSubnet would fail"
    for (text, part), (other, another) in combinations(parts, 2):
        if part is not None and another is not None and part.overlaps(another):
            yield f"network: subnets {text} and {other} overlap; CreateSubnet would fail"


def _range(text: str) -> IPv4Network | None:
    try:
        return IPv4Network(text)
    except ValueError:
        return None


def of_listener(app: Application, aws: Aws) -> Iterator[str]:
    """Timeouts, certificate and rules within the balancer's limits."""
    listener = app.listener
    if not 1 <= listener.idle_timeout_s <= 4000:
        yield f"listener.idle_timeout: {listener.idle_timeout_s:g} s; the balancer accepts 1 to 4000 s"
    tls = listener.tls
    if tls is not None and tls.certificate_arn is None and aws.domain is None:
        yield "listener.tls: needs aws.domain or a certificate ARN; ACM would have no name for a certificate"
    if tls is not None and tls.certificate_arn is not None:
        yield from _of_certificate(tls.certificate_arn, app.region_names)
    yield from _of_rules(app)
    if any(limit.requests < 1 or limit.per_s <= 0 for limit in listener.firewall.rates):
        yield "listener.firewall.rate: AWS WAF counts at least 10 requests in a window of 60 to 600 s"


def _of_certificate(arn: str, regions: tuple[str, ...]) -> Iterator[str]:
    found = CERTIFICATE.fullmatch(arn)
    if found is None:
        yield f"listener.tls: {arn!r} is not a certificate's ARN; CreateListener would fail"
    elif len(regions) > 1 or found.group(1) != regions[0]:
        yield f"listener.tls: the certificate is in {found.group(1)}; a balancer accepts only its own region's"


def _of_rules(app: Application) -> Iterator[str]:
    rules = rules_in_order(app)
    if len(rules) > 100:
        yield f"routes: {len(rules)} rules; a load balancer allows 100"
    for rule in rules:
        if not 1 <= rule.priority <= HIGHEST:
            yield f"routes: priority {rule.priority}; AWS accepts 1 to {HIGHEST}"
        values = 2 + (rule.condition.host is not None) + len(rule.condition.headers)
        if values > 5:
            yield f"routes: {rule.condition.path} has {values} condition values; a rule allows 5"
        if len(rule.condition.path) > 128:
            yield f"routes: {rule.condition.path[:20]}... is too long; a path pattern has at most 128 characters"
        if isinstance(rule.action, Forward) and len(rule.action.services) > 5:
            yield f"routes: {rule.condition.path} has {len(rule.action.services)} services; a rule allows 5"
    weights = [route.weight for service in app.services for route in service.routes]
    if any(not 0 <= weight <= 999 for weight in weights):
        yield "routes: a weight is 0 to 999; CreateRule would fail"
    yield from _of_priorities(app)


def _of_priorities(app: Application) -> Iterator[str]:
    written = [(route.priority, route.condition) for service in app.services for route in service.routes]
    written += [(each.priority, each.condition) for each in app.listener.redirects]
    written += [(each.priority, each.condition) for each in app.listener.fixed_responses]
    conditions: dict[int, set[Condition]] = {}
    for priority, condition in written:
        if priority is not None:
            conditions.setdefault(priority, set()).add(condition)
    for priority, several in sorted(conditions.items()):
        if len(several) > 1:
            yield f"routes: priority {priority} has several conditions; CreateRule would fail with PriorityInUse"


def of_account(app: Application, aws: Aws) -> Iterator[str]:
    """Regions, machine, money, logs, pipeline."""
    yield from _of_regions(app, aws)
    if not MACHINE.fullmatch(aws.machine):
        yield f"aws.machine: {aws.machine!r} is not an instance type such as t3.micro; no machine would ever launch"
    if not 0 <= aws.spot_percent <= 100:
        yield f"aws.spot: {aws.spot_percent} %; a share is 0 to 100"
    if aws.monthly_budget_usd is not None and aws.monthly_budget_usd <= 0:
        yield f"aws.budget: {aws.monthly_budget_usd:g}; CreateBudget accepts more than 0"
    if aws.monthly_budget_usd is not None and aws.alarm_email is None:
        yield "aws.email: missing; nobody would be told when the budget is spent"
    days = app.observe.log_retention_days
    if days not in RETENTION_DAYS:
        near = min(sorted(RETENTION_DAYS), key=lambda each: abs(each - days))
        yield f"observe.log_retention: {days} days; CloudWatch Logs does not accept that; the nearest is {near}"
    yield from _of_pipeline(app)


def _of_regions(app: Application, aws: Aws) -> Iterator[str]:
    names = app.region_names
    if not names:
        yield "aws.region: missing; nothing can be anywhere"
    if app.regions and names[0] not in {one.name for one in app.regions}:
        yield f"aws.region: {names[0]} is none of the regions; the primary one is the first of them"
    for region in names:
        wrong = unknown(region)
        if wrong is not None:
            yield f"aws.region: {wrong}"
    if len(names) > 1 and aws.domain is None:
        yield "aws.domain: missing; several regions need it to direct visitors"
    if len(names) > FAILOVER_REGIONS and app.edge.routing is EdgeRouting.FAILOVER:
        yield f"edge.routing: failover is between a primary and one secondary on AWS, found {len(names)} regions"


def _of_pipeline(app: Application) -> Iterator[str]:
    wanted = app.pipeline
    if wanted.connection_arn is None:
        return
    if not CONNECTION.fullmatch(wanted.connection_arn):
        yield f"pipeline.connection: {wanted.connection_arn!r} is not a connection's ARN; the source step would fail"
    if wanted.repository is None or wanted.repository.count("/") != 1:
        yield f"pipeline.repository: {wanted.repository!r}; a connection needs OWNER/NAME"
