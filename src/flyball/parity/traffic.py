"""Rows of the listener, routes and balancing."""

from __future__ import annotations

from .row import NO_QUEUE, PARTS, no, on_aws, yes

ENVOY = yes("Envoy")

ROWS = (
    on_aws("Listener.port", ENVOY, no("the AWS balancer listens on 80, with TLS on 443", accepted=(80, 443))),
    on_aws("Listener.idle_timeout_s", ENVOY, yes("idle_timeout.timeout_seconds")),
    on_aws(
        "Listener.max_body_bytes",
        ENVOY,
        no("an Application Load Balancer has no such limit; the application must refuse large bodies"),
    ),
    on_aws("Listener.tls", PARTS, PARTS),
    on_aws("Listener.rate_limit", PARTS, PARTS),
    on_aws("Listener.redirects", PARTS, PARTS),
    on_aws("Listener.fixed_responses", PARTS, PARTS),
    on_aws("Tls.certificate", ENVOY, no("ACM issues it for the domain, or certificate_arn names it")),
    on_aws("Tls.private_key", ENVOY, no("ACM keeps it")),
    on_aws(
        "Tls.certificate_arn", no("ACM certificates stay on AWS; a self-signed one is used here"), yes("CertificateArn")
    ),
    on_aws("RateLimit.requests", yes("Envoy, answers 429"), yes("AWS WAF, answers 403; at least 10")),
    on_aws("RateLimit.per_s", ENVOY, yes("EvaluationWindowSec: the next of 60, 120, 300 and 600, at the same rate")),
    on_aws("Redirect.condition", PARTS, PARTS),
    on_aws("Redirect.location", ENVOY, yes("RedirectConfig")),
    on_aws("Redirect.status", ENVOY, yes("HTTP_301 or HTTP_302")),
    on_aws("Redirect.priority", ENVOY, yes("Priority")),
    on_aws("FixedResponse.condition", PARTS, PARTS),
    on_aws("FixedResponse.status", ENVOY, yes("StatusCode")),
    on_aws("FixedResponse.body", ENVOY, yes("MessageBody")),
    on_aws("FixedResponse.content_type", ENVOY, yes("ContentType")),
    on_aws("FixedResponse.priority", ENVOY, yes("Priority")),
    on_aws("Route.condition", PARTS, PARTS),
    on_aws("Route.weight", ENVOY, yes("Weight of the target group")),
    on_aws("Route.priority", ENVOY, yes("Priority")),
    on_aws("Route.queue", yes("the balancer's queue"), no(NO_QUEUE, accepted=(True,))),
    on_aws("Condition.path", ENVOY, yes("path-pattern; a path also matches all below it")),
    on_aws("Condition.host", ENVOY, yes("host-header")),
    on_aws("Condition.headers", ENVOY, yes("http-header")),
    on_aws("Balancing.algorithm", ENVOY, yes("load_balancing.algorithm.type")),
    on_aws("Balancing.slow_start_s", ENVOY, yes("slow_start.duration_seconds")),
    on_aws("Balancing.stickiness", PARTS, PARTS),
    on_aws("Stickiness.duration_s", ENVOY, yes("stickiness.lb_cookie.duration_seconds")),
)
