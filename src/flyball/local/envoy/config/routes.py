"""Which requests go to which service: Envoy's route configuration, in the order of the listener's rules.

All rules stand in one virtual host, because an Application Load Balancer's priorities go across hosts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from flyball.core.model import Application, Condition, FixedResponse, Redirect
from flyball.core.model.rules import Forward, Rule, rules_in_order

from . import stickiness
from .endpoints import taking
from .matches import route_match
from .queue import past_the_queue
from .redirects import fixed_response, redirect, response_header
from .refusals import refusals
from .types import Json, extension, seconds, typed

ROUTES = "routes"
TO_HTTPS = "to-https"
CHALLENGES = "/.well-known/acme-challenge/"
INSTANCE_HEADER = "x-flyball-instance"
BEFORE_THE_EDGE = ("%REQ(X-FORWARDED-PROTO)%", "%REQ(X-FORWARDED-PORT)%")
"""How a region's visitor has reached the edge: it may not be sent around it."""


def route_configuration(app: Application, *, port: int, secure: bool) -> Json:
    """All rules; the last answers 404. `port` and `secure` say how the listener is reached, for redirects."""
    routes = refusals()
    for rule in rules_in_order(app):
        routes.extend(_routes(app, rule, port=port, secure=secure))
    routes.append(_nothing_here())
    return typed(
        "envoy.config.route.v3.RouteConfiguration",
        name=ROUTES,
        virtual_hosts=[{"name": "all", "domains": ["*"], "routes": routes}],
        response_headers_to_add=[response_header(INSTANCE_HEADER, "%UPSTREAM_HOST_NAME%")],
        request_headers_to_add=[] if app.region is not None else [client_address()],
        request_headers_to_remove=["x-envoy-external-address", INSTANCE_HEADER],
    )


def everything_to_https(challenges: Mapping[str, str] = MappingProxyType({})) -> Json:
    """The routes of requests that come without TLS to a listener that has it: the same address with https.

    `challenges` are the tokens that a certificate authority asks for, with their answers (RFC 8555, 8.3).
    """
    answers = [
        {"match": {"path": CHALLENGES + token}, "direct_response": {"status": 200, "body": {"inline_string": text}}}
        for token, text in sorted(challenges.items())
    ]
    route = {"match": {"prefix": "/"}, "redirect": {"https_redirect": True}}
    return typed(
        "envoy.config.route.v3.RouteConfiguration",
        name=TO_HTTPS,
        virtual_hosts=[{"name": "all", "domains": ["*"], "routes": [*answers, route]}],
    )


def _routes(app: Application, rule: Rule, *, port: int, secure: bool) -> list[Json]:
    match rule.action:
        case Forward():
            return _forwards(app, rule.condition, rule.action)
        case Redirect():
            protocol, place = ("https" if secure else "http", str(port)) if app.region is None else BEFORE_THE_EDGE
            answer = redirect(rule.action, protocol=protocol, port=place)
        case FixedResponse():
            answer = fixed_response(rule.action)
    return [{"match": route_match(rule.condition), **answer}]


def _forwards(app: Application, condition: Condition, forward: Forward) -> list[Json]:
    """Two routes: requests that may be sent again after a reset, and all others, which may not."""
    shares = [(name, weight) for name, weight in forward.services if weight > 0]
    if not shares:
        return [{"match": route_match(condition), "direct_response": {"status": 503}}]
    return [
        {
            "match": route_match(condition, repeatable=repeatable),
            "route": {**_destination(app, shares), **behaviour(repeatable=repeatable)},
            **per_filter(_session(app, shares), {} if forward.queue else past_the_queue()),
        }
        for repeatable in (True, False)
    ]


def _destination(app: Application, shares: list[tuple[str, int]]) -> Json:
    if len(shares) == 1:
        return {"cluster": shares[0][0], "metadata_match": taking(True)}
    clusters = [
        {"name": name, "weight": weight, "metadata_match": taking(True), **per_filter(_session(app, [(name, weight)]))}
        for name, weight in shares
    ]
    return {"weighted_clusters": {"clusters": clusters}}


def per_filter(*settings: Json) -> Json:
    """What a route says to filters, by filter."""
    found = {name: setting for one in settings for name, setting in one.items()}
    return {"typed_per_filter_config": found} if found else {}


def _session(app: Application, shares: list[tuple[str, int]]) -> Json:
    if len(shares) > 1:
        return {}
    return stickiness.settings(app, shares[0][0])


def behaviour(*, repeatable: bool) -> Json:
    """No limit on the whole time of a request: the listener's idle timeout governs, as on AWS.

    A request is tried on other instances at once. One that may change something is sent again only when it cannot have
    reached the instance.
    """
    retry_on = "connect-failure,refused-stream,reset-before-request" + (",reset" if repeatable else "")
    previous = extension(
        "envoy.retry_host_predicates.previous_hosts", "retry.host.previous_hosts.v3.PreviousHostsPredicate"
    )
    return {
        "timeout": "0s",
        "retry_policy": {
            "retry_on": retry_on,
            "num_retries": 4,
            "retry_host_predicate": [previous],
            "host_selection_retry_max_attempts": 8,
            "retry_back_off": {"base_interval": seconds(0.002), "max_interval": seconds(0.05)},
        },
    }


def client_address() -> Json:
    """The client's address, for X-Forwarded-For."""
    address = {"key": "x-forwarded-for", "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}
    return {"header": address, "append_action": "APPEND_IF_EXISTS_OR_ADD"}


def _nothing_here() -> Json:
    body = {"inline_string": "no rule of this application matches the request\n"}
    return {"match": {"prefix": "/"}, "direct_response": {"status": 404, "body": body}}
