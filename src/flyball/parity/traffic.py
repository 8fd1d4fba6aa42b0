"""Rows of the listener, routes and balancing."""

from __future__ import annotations

from .row import NO_QUEUE, PARTS, no, on_aws, yes

ENVOY = yes("Envoy")
OWN_RULES = "AWS's managed rule groups stand in for the OWASP Core Rule Set: other rules, without ids and scores"
BY_ACM = "ACM issues and renews the certificate for the domain"

ROWS = (
    on_aws("Listener.port", ENVOY, no("the AWS balancer listens on 80, with TLS on 443", accepted=(80, 443))),
    on_aws("Listener.idle_timeout_s", ENVOY, yes("idle_timeout.timeout_seconds")),
    on_aws("Listener.standby", yes("a second Envoy on the same port"), yes("the balancer is never one machine")),
    on_aws("Listener.tls", PARTS, PARTS),
    on_aws("Listener.firewall", PARTS, PARTS),
    on_aws("Listener.redirects", PARTS, PARTS),
    on_aws("Listener.fixed_responses", PARTS, PARTS),
    on_aws("Tls.certificate", ENVOY, no("ACM issues it for the domain, or certificate_arn names it")),
    on_aws("Tls.private_key", ENVOY, no("ACM keeps it")),
    on_aws(
        "Tls.certificate_arn", no("ACM certificates stay on AWS; a self-signed one is used here"), yes("CertificateArn")
    ),
    on_aws("Tls.acme", PARTS, PARTS),
    on_aws("Acme.domains", yes("the authority's certificate"), no(BY_ACM)),
    on_aws("Acme.email", yes("the authority's account"), no(BY_ACM)),
    on_aws("Acme.directory", yes("the authority that is asked"), no(BY_ACM)),
    on_aws("Acme.ca", yes("what vouches for the authority's address"), no(BY_ACM)),
    on_aws(
        "Tls.hsts_s",
        yes("Envoy, strict-transport-security; never without TLS"),
        yes("routing.http.response.strict_transport_security.header_value"),
    ),
    on_aws("Firewall.allow", yes("Envoy, answers 403"), yes("AWS WAF, not in the IP set")),
    on_aws("Firewall.deny", yes("Envoy, answers 403"), yes("AWS WAF, in the IP set")),
    on_aws("Firewall.rates", PARTS, PARTS),
    on_aws("Firewall.methods", yes("Envoy, answers 403"), yes("AWS WAF, RegexMatchStatement on the method")),
    on_aws(
        "Firewall.max_url_bytes",
        yes("Envoy, answers 414"),
        yes("AWS WAF, answers 414; SizeConstraintStatement, path and query each"),
    ),
    on_aws(
        "Firewall.max_headers_bytes",
        yes("Envoy, answers 431"),
        yes("AWS WAF, answers 431; SizeConstraintStatement, at most 8 KB"),
    ),
    on_aws(
        "Firewall.max_body_bytes",
        yes("Envoy, answers 413; counted while it streams"),
        yes("AWS WAF, answers 413; by content-length, so a chunked body passes"),
    ),
    on_aws("Firewall.bad_input", yes("Envoy, answers 403"), yes("AWS WAF, RegexMatchStatement of the same patterns")),
    on_aws("Firewall.action", ENVOY, yes("AWS WAF, Block or Count")),
    on_aws(
        "Firewall.managed",
        no("AWS's own rules are on AWS; `bad_input` has rules for both", accepted=(True, False)),
        yes("AWS WAF, managed rule groups"),
    ),
    on_aws("Firewall.core_rules", PARTS, PARTS),
    on_aws(
        "Firewall.uploads",
        yes("the OWASP Core Rule Set looks at no body there"),
        yes("AWS WAF: managed rules for bodies count there and block elsewhere; without the key they only count"),
    ),
    on_aws("CoreRules.path", yes("ModSecurity reads the rules there"), no(OWN_RULES)),
    on_aws("CoreRules.paranoia", yes("the rules' paranoia level"), no(OWN_RULES)),
    on_aws("CoreRules.threshold", yes("the rules' inbound anomaly score threshold"), no(OWN_RULES)),
    on_aws("CoreRules.skip_rules", yes("SecRuleRemoveById"), no(OWN_RULES)),
    on_aws("CoreRules.skip_paths", yes("not judged"), yes("ScopeDownStatement of the managed rule groups")),
    on_aws(
        "CoreRules.body_bytes", yes("Envoy buffers it, ModSecurity reads it"), no("AWS WAF looks at 8 KB of a body")
    ),
    on_aws("CoreRules.fail_open", yes("Envoy, failure_mode_allow; closed answers 503"), yes("waf.fail_open.enabled")),
    on_aws("CoreRules.action", yes("ModSecurity refuses, or only counts"), yes("OverrideAction None or Count")),
    on_aws("RateLimit.requests", yes("Envoy, answers 429"), yes("AWS WAF, answers 429; at least 10")),
    on_aws(
        "RateLimit.per_s",
        yes("Envoy, a sliding window"),
        yes("EvaluationWindowSec: the next of 60, 120, 300 and 600, at the same rate"),
    ),
    on_aws("RateLimit.path", ENVOY, yes("ScopeDownStatement")),
    on_aws("RateLimit.action", ENVOY, yes("Block or Count")),
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
