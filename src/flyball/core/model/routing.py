"""How a request finds its service: listener, routes, redirects, fixed responses, balancing.

Mirrors an Application Load Balancer: a listener tries its rules by priority, the default last, and rewrites no path.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .firewall import Firewall


class BalancingAlgorithm(StrEnum):
    """How the next instance is chosen; the values are those of the target group attribute."""

    ROUND_ROBIN = "round_robin"
    LEAST_OUTSTANDING_REQUESTS = "least_outstanding_requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a rule matches; absent parts match everything.

    `path`: "/" matches all, "/api" matches itself and everything below; with `*` or `?` it is an AWS path pattern.
    `host`: exact or with `*` and `?`, ignoring case. `headers`: (name, pattern) pairs, which must all match.
    """

    path: str = "/"
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A listener rule for a service. Services with equal conditions share requests by `weight` (0 to 999).

    `priority` is 1 to 50000, or None to rank the rule by how exact it is (`rules.rules_in_order`). `queue`: its
    requests wait their turn and hold a place; False for those that must not wait, or stay for long.
    """

    condition: Condition
    weight: int = 1
    priority: int | None = None
    queue: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """A rule that redirects. `location` is a path or a full URL; `status` is 301 or 302."""

    condition: Condition
    location: str
    status: int = 301
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedResponse:
    """A rule with a fixed answer: `status` 200 to 599, `body` at most 1024 bytes, as on AWS."""

    condition: Condition
    status: int
    body: str = ""
    content_type: str = "text/plain"
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stickiness:
    """Keeps a visitor on one instance with a cookie, `AWSALB` as on AWS, for 1 to 604800 s."""

    duration_s: float = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancing:
    """How a target group spreads requests. Slow start is 30 to 900 s on AWS, any length here; 0 is off."""

    algorithm: BalancingAlgorithm = BalancingAlgorithm.ROUND_ROBIN
    slow_start_s: float = 0.0
    stickiness: Stickiness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acme:
    """The authority that issues the certificate of `domains`, by ACME with HTTP-01 (RFC 8555).

    `directory` is its address, `ca` a file with the authorities that vouch for that address, if it is a private one.
    """

    domains: tuple[str, ...]
    email: str | None = None
    directory: str = "https://acme-v02.api.letsencrypt.org/directory"
    ca: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """HTTPS and HTTP/2 at the listener. Without paths or `acme`: a self-signed certificate here, one from ACM on AWS.

    `hsts_s` is for how long a browser shall come with https only (RFC 6797); None says nothing to it.
    """

    certificate: str | None = None
    private_key: str | None = None
    certificate_arn: str | None = None
    acme: Acme | None = None
    hsts_s: float | None = None

    @property
    def hsts(self) -> str | None:
        """The value of the header Strict-Transport-Security."""
        return None if self.hsts_s is None else f"max-age={self.hsts_s:.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where traffic enters. Redirects and fixed responses belong to the listener, routes to services."""

    port: int = 8080
    idle_timeout_s: float = 60.0
    standby: bool = False
    tls: Tls | None = None
    firewall: Firewall = Firewall()
    redirects: tuple[Redirect, ...] = ()
    fixed_responses: tuple[FixedResponse, ...] = ()
