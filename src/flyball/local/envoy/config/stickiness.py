"""Visitors that stay with one instance: a cookie that names its address.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html
"""

from __future__ import annotations

from flyball.core.model import Application, Stickiness

from .types import Json, extension, seconds, typed

FILTER = "envoy.filters.http.stateful_session"
COOKIE = "AWSALB"


def session_filter(app: Application) -> list[Json]:
    """The filter, when any service is sticky; it does nothing where a route has no settings for it."""
    if not _sticky(app):
        return []
    return [extension(FILTER, "filters.http.stateful_session.v3.StatefulSession")]


def settings(app: Application, service: str) -> Json:
    """What a route to `service` says about sessions; empty when no service of the application is sticky."""
    stickiness = app.service(service).balancing.stickiness
    if stickiness is None:
        return {}
    state = extension(
        "envoy.http.stateful_session.cookie",
        "http.stateful_session.cookie.v3.CookieBasedSessionState",
        cookie={"name": cookie_name(app, service), "path": "/", "ttl": seconds(_whole(stickiness))},
    )
    per_route = typed(
        "envoy.extensions.filters.http.stateful_session.v3.StatefulSessionPerRoute",
        stateful_session={"session_state": state},
    )
    return {FILTER: per_route}


def cookie_name(app: Application, service: str) -> str:
    """AWS's name; with several sticky services each its own, or they would overwrite each other's."""
    return COOKIE if len(_sticky(app)) == 1 else f"{COOKIE}-{service}"


def _sticky(app: Application) -> list[str]:
    return [service.name for service in app.services if service.balancing.stickiness is not None]


def _whole(stickiness: Stickiness) -> int:
    """Cookies live whole seconds; 0 would mean until the browser closes."""
    return max(1, round(stickiness.duration_s))
