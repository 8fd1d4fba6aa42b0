"""The single entry point: an Application Load Balancer, its listeners, rules and target groups.

With TLS, port 80 only redirects to 443. Rules apply in the same order as locally; unmatched requests get a 404.
Services reach each other through a second balancer inside the network, with the same rules: no call between them leaves
by a NAT gateway, needs the certificate's name, or counts in the firewall. A target group belongs to one balancer only.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/introduction.html
"""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_s3 as s3

from flyball.core.model import Application, Aws, BalancingAlgorithm, Service, Tls
from flyball.core.model.rules import Forward, rules_in_order

from . import listener_rules
from .listener_rules import answer
from .names import rule_name
from .network import Network
from .site import Site, logical, statement

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
ACCESS_LOG_PREFIX = "balancer"
NOTHING = (404, "no route")
"""The answer to a request that no route matches."""
INSIDE = "Inside"
"""What the logical ids of the balancer inside the network begin with; the public one's begin with nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """What other resources refer to. `rules` are the listener rules of each service."""

    arn: str
    full_name: str
    dns_name: str
    zone: str
    url: str
    target_groups: dict[str, elb.CfnTargetGroup]
    standby_groups: dict[str, elb.CfnTargetGroup]
    rules: dict[str, tuple[elb.CfnListenerRule, ...]]
    inside: Balancer | None = None

    @property
    def every(self) -> tuple[Balancer, ...]:
        """This balancer and the one inside."""
        return (self,) if self.inside is None else (self, self.inside)

    @property
    def url_for_services(self) -> str:
        """Where services reach each other."""
        return self.every[-1].url


def logs_bucket(site: Site) -> s3.Bucket:
    """The bucket for the logs of the balancer, S3 and the trail. Logs expire after the file's retention."""
    expire = s3.LifecycleRule(
        id="expire",
        enabled=True,
        expiration=cdk.Duration.days(site.app.observe.log_retention_days),
        noncurrent_version_expiration=cdk.Duration.days(1),
        abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
    )
    bucket = site.bucket("logs", [expire])
    bucket.add_to_resource_policy(
        statement(
            ["s3:PutObject"],
            [bucket.arn_for_objects(f"{ACCESS_LOG_PREFIX}/AWSLogs/{cdk.Aws.ACCOUNT_ID}/*")],
            {
                "ArnLike": {
                    "aws:SourceArn": f"arn:aws:elasticloadbalancing:{site.region}:{cdk.Aws.ACCOUNT_ID}:loadbalancer/*"
                }
            },
            to="logdelivery.elasticloadbalancing",
        )
    )
    return bucket


def needs_inside(app: Application, aws: Aws) -> bool:
    """Whether services call each other, or cannot use the public address because the certificate has another name."""
    return len(app.services) > 1 or (app.listener.tls is not None and aws.domain is None)


def build(site: Site, network: Network, *, group: str, logs: s3.Bucket, inside: Balancer | None) -> Balancer:
    """The balancer that is open to the world."""
    balancer = _load_balancer(site, network, "", group=group, logs=logs)
    listener = _listeners(site, balancer)
    scheme = "https" if site.app.listener.tls else "http"
    url = f"{scheme}://{site.aws.domain or balancer.attr_dns_name}"
    return _with_rules(site, network, "", balancer, listener, url=url, inside=inside)


def build_inside(site: Site, network: Network, *, group: str, logs: s3.Bucket) -> Balancer:
    """The balancer inside the network, without TLS."""
    balancer = _load_balancer(site, network, INSIDE, group=group, logs=logs)
    listener = _http_listener(site, balancer, INSIDE, answer(*NOTHING))
    return _with_rules(site, network, INSIDE, balancer, listener, url=f"http://{balancer.attr_dns_name}", inside=None)


def _with_rules(
    site: Site,
    network: Network,
    where: str,
    balancer: elb.CfnLoadBalancer,
    listener: elb.CfnListener,
    *,
    url: str,
    inside: Balancer | None,
) -> Balancer:
    """The listener's rules and a target group per service (two where a rollout shifts traffic)."""
    target_groups = {each.name: _target_group(site, network, each, f"TargetGroup{where}") for each in site.app.services}
    standby = {
        each.name: _target_group(site, network, each, f"TargetGroup{where}Standby")
        for each in site.app.services
        if site.on_fargate and each.deployment.strategy != "rolling"
    }
    rules: dict[str, list[elb.CfnListenerRule]] = {}
    for rule in rules_in_order(site.app):
        made = listener_rules.build(
            site.stack,
            where + rule_name(rule.condition),
            rule,
            listener=listener,
            groups=target_groups,
            standby=standby,
        )
        if isinstance(rule.action, Forward):
            for name, _ in rule.action.services:
                rules.setdefault(name, []).append(made)
    return Balancer(
        arn=balancer.ref,
        full_name=balancer.attr_load_balancer_full_name,
        dns_name=balancer.attr_dns_name,
        zone=balancer.attr_canonical_hosted_zone_id,
        url=url,
        target_groups=target_groups,
        standby_groups=standby,
        rules={name: tuple(made) for name, made in rules.items()},
        inside=inside,
    )


def _load_balancer(site: Site, network: Network, where: str, *, group: str, logs: s3.Bucket) -> elb.CfnLoadBalancer:
    attributes = {
        "access_logs.s3.bucket": logs.bucket_name,
        "access_logs.s3.enabled": "true",
        "access_logs.s3.prefix": ACCESS_LOG_PREFIX,
        "client_keep_alive.seconds": "3600",
        "deletion_protection.enabled": "false",
        "idle_timeout.timeout_seconds": str(round(site.app.listener.idle_timeout_s)),
        "load_balancing.cross_zone.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive",
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.xff_header_processing.mode": "append",
        "routing.http2.enabled": "true",
    }
    core_rules = site.app.listener.firewall.core_rules
    if core_rules is not None and not where:
        attributes["waf.fail_open.enabled"] = str(core_rules.fail_open).lower()
    balancer = elb.CfnLoadBalancer(
        site.stack,
        f"{where}Balancer",
        type="application",
        scheme="internal" if where else "internet-facing",
        ip_address_type="ipv4",
        subnets=list(network.private if where else network.public),
        security_groups=[group],
        load_balancer_attributes=[
            elb.CfnLoadBalancer.LoadBalancerAttributeProperty(key=key, value=value) for key, value in attributes.items()
        ],
    )
    assert logs.policy is not None
    balancer.node.add_dependency(logs.policy, network.gateway)
    return balancer


def _listeners(site: Site, balancer: elb.CfnLoadBalancer) -> elb.CfnListener:
    """The listener with the rules: on 443 with TLS, else on 80."""
    made = elb.CfnListener
    tls = site.app.listener.tls
    if tls is None:
        return _http_listener(site, balancer, "", answer(*NOTHING))
    to_https = elb.ListenerAction.redirect(
        protocol="HTTPS", port="443", host="#{host}", path="/#{path}", query="#{query}", permanent=True
    )
    _http_listener(site, balancer, "", to_https)
    return made(
        site.stack,
        "HttpsListener",
        load_balancer_arn=balancer.ref,
        port=443,
        protocol="HTTPS",
        ssl_policy=TLS_POLICY,
        certificates=[made.CertificateProperty(certificate_arn=_certificate(site, tls))],
        default_actions=answer(*NOTHING).render_actions(),
        listener_attributes=None
        if tls.hsts is None
        else [
            made.ListenerAttributeProperty(
                key="routing.http.response.strict_transport_security.header_value", value=tls.hsts
            )
        ],
    )


def _http_listener(
    site: Site, balancer: elb.CfnLoadBalancer, where: str, action: elb.ListenerAction
) -> elb.CfnListener:
    return elb.CfnListener(
        site.stack,
        f"{where}HttpListener",
        load_balancer_arn=balancer.ref,
        port=80,
        protocol="HTTP",
        default_actions=action.render_actions(),
    )


def _certificate(site: Site, tls: Tls) -> str:
    """The file's certificate, or one that ACM issues for the domain and renews."""
    if tls.certificate_arn is not None:
        return tls.certificate_arn
    assert site.aws.domain is not None, "rules.refusals refuses TLS without a domain"
    certificate = acm.CfnCertificate(
        site.stack,
        "Certificate",
        domain_name=site.aws.domain,
        validation_method="DNS",
        domain_validation_options=[
            acm.CfnCertificate.DomainValidationOptionProperty(
                domain_name=site.aws.domain, hosted_zone_id=hosted_zone(site)
            )
        ],
    )
    return str(certificate.ref)


def hosted_zone(site: Site) -> str:
    """The domain's Route 53 zone: a parameter, because a template must not look anything up."""
    what = f"the hosted zone that holds {site.aws.domain}"
    return str(site.parameter("HostedZone", None, what, kind="AWS::Route53::HostedZone::Id").value_as_string)


def _target_group(site: Site, network: Network, service: Service, kind: str) -> elb.CfnTargetGroup:
    health, made = site.health(service), elb.CfnTargetGroup
    protocol = "HTTPS" if service.tls else "HTTP"  # any certificate of a target will do
    return made(
        site.stack,
        logical(service.name, kind),
        vpc_id=network.vpc,
        target_type="ip" if site.on_fargate else "instance",
        ip_address_type="ipv4",
        port=site.port,
        protocol=protocol,
        protocol_version="HTTP1",
        health_check_enabled=True,
        health_check_protocol=protocol,
        health_check_port="traffic-port",
        health_check_path=health.path,
        health_check_interval_seconds=round(health.interval_s),
        health_check_timeout_seconds=round(health.timeout_s),
        healthy_threshold_count=health.healthy_threshold,
        unhealthy_threshold_count=health.unhealthy_threshold,
        matcher=made.MatcherProperty(http_code=f"{health.status_min}-{health.status_max}"),
        target_group_attributes=[
            made.TargetGroupAttributeProperty(key=key, value=value)
            for key, value in target_group_attributes(service).items()
        ],
    )


def target_group_attributes(service: Service) -> dict[str, str]:
    """Every target group attribute, under AWS's names.

    Slow start is omitted with least outstanding requests: AWS refuses the combination.
    """
    balancing = service.balancing
    attributes = {
        "deregistration_delay.timeout_seconds": str(round(service.deployment.deregistration_delay_s)),
        "load_balancing.algorithm.type": str(balancing.algorithm),
        "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
        "stickiness.enabled": "false" if balancing.stickiness is None else "true",
        "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
        "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
    }
    if balancing.stickiness is not None:
        attributes["stickiness.type"] = "lb_cookie"
        attributes["stickiness.lb_cookie.duration_seconds"] = str(round(balancing.stickiness.duration_s))
    if balancing.algorithm is BalancingAlgorithm.ROUND_ROBIN:
        attributes["slow_start.duration_seconds"] = str(round(balancing.slow_start_s))
    return attributes
