"""What happens to a request before it is routed. Only filters that the application asks for stand in the chain."""

from __future__ import annotations

from flyball.core.model import Application

from . import firewall, stickiness
from .types import Json, extension


def http_filters(app: Application, queue: list[Json], *, guarded: bool, rate: str | None) -> list[Json]:
    """The filters in order, `queue` among them; the router is the last.

    `guarded`: the firewall stands before all. `rate` is the program of rate limits.
    """
    return [
        *(firewall.filters(app.listener.firewall, program=rate) if guarded else []),
        *stickiness.session_filter(app),
        *queue,
        extension("envoy.filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True),
    ]
