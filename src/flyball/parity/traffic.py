"""Rows of the listener, routes and balancing."""

from __future__ import annotations

from .row import PARTS, no, on_aws, yes

ENVOY = yes("Envoy")

ROWS = (
    on_aws("Listener.port", local=ENVOY, aws=no("the AWS balancer listens on 80, with TLS on 443", accepted=(80, 443))),
    on_aws("Listener.idle_timeout_s", local=ENVOY, aws=yes("idle_timeout.timeout_seconds")),
    on_aws(
        "Listener.max_body_bytes",
        local=ENVOY,
        aws=no("an Application Load Balancer has no such limit; the application must refuse large bodies"),
    ),
    on_aws("Listener.tls", local=PARTS, aws=PARTS),
    on_aws("Listener.rate_limit", local=PARTS, aws=PARTS),
    on_aws("Listener.redirects", local=PARTS, aws=PARTS),
    on_aws("Listener.fixed_responses", local=PARTS, aws=PARTS),
    on_aws("Tls.certificate", local=ENVOY, aws=no("ACM issues it for the domain, or certificate_arn names it")),
    on_aws("Tls.private_key", local=ENVOY, aws=no("ACM keeps it")),
    on_aws(
        "Tls.certificate_arn",
        local=no("ACM certificates stay on AWS; a self-signed one is used here"),
        aws=yes("CertificateArn"),
    ),
    on_aws("RateLimit.requests", local=yes("Envoy, answers 429"), aws=yes("AWS WAF, answers 403; at least 10")),
    on_aws(
        "RateLimit.per_s",
        local=ENVOY,
        aws=yes("EvaluationWindowSec: the next of 60, 120, 300 and 600, at the same rate"),
    ),
    on_aws("Redirect.condition", local=PARTS, aws=PARTS),
    on_aws("Redirect.location", local=ENVOY, aws=yes("RedirectConfig")),
    on_aws("Redirect.status", local=ENVOY, aws=yes("HTTP_301 or HTTP_302")),
    on_aws("Redirect.priority", local=ENVOY, aws=yes("Priority")),
    on_aws("FixedResponse.condition", local=PARTS, aws=PARTS),
    on_aws("FixedResponse.status", local=ENVOY, aws=yes("StatusCode")),
    on_aws("FixedResponse.body", local=ENVOY, aws=yes("MessageBody")),
    on_aws("FixedResponse.content_type", local=ENVOY, aws=yes("ContentType")),
    on_aws("FixedResponse.priority", local=ENVOY, aws=yes("Priority")),
    on_aws("Route.condition", local=PARTS, aws=PARTS),
    on_aws("Route.weight", local=ENVOY, aws=yes("Weight of the target group")),
    on_aws("Route.priority", local=ENVOY, aws=yes("Priority")),
    on_aws("Condition.path", local=ENVOY, aws=yes("path-pattern; a path also matches all below it")),
    on_aws("Condition.host", local=ENVOY, aws=yes("host-header")),
    on_aws("Condition.headers", local=ENVOY, aws=yes("http-header")),
    on_aws("Balancing.algorithm", local=ENVOY, aws=yes("load_balancing.algorithm.type")),
    on_aws("Balancing.slow_start_s", local=ENVOY, aws=yes("slow_start.duration_seconds")),
    on_aws("Balancing.stickiness", local=PARTS, aws=PARTS),
    on_aws("Stickiness.duration_s", local=ENVOY, aws=yes("stickiness.lb_cookie.duration_seconds")),
)
