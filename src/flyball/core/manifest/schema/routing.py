"""Routes of a service, the top-level `[[routes]]`, and the `[listener]` table."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from flyball.core.manifest import units
from flyball.core.model import Acme, Condition, Firewall, FixedResponse, Listener, Redirect, Route, Tls

from .aws import Domain, Email
from .base import Bytes, Duration, OneOrMany, Shorthand, Table, Text, key, required, span, switch
from .firewall import FirewallTable

# An Application Load Balancer takes at most 128 characters in a path or host condition.
PATH_PATTERN = r"^/[^\s#]{0,127}$"
UrlPath = Annotated[str, Text(PATH_PATTERN, "be a path such as /api, without spaces or #")]
Host = Annotated[str, Text(r"^[A-Za-z0-9.*?-]{1,128}$", "be a host name such as shop.example.com or *.example.com")]
HeaderName = Annotated[
    str, Text(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,40}$", "be a header name such as x-version, at most 40 characters long")
]
Location = Annotated[str, Text(r"^(/|https?://)[^\s]{0,2047}$", "be a path or URL such as https://example.com/new")]
ContentType = Annotated[str, Text(r"^[a-z]+/[a-z0-9.+-]+$", "be a media type such as text/html")]
Certificate = Annotated[
    str,
    Text(
        r"^arn:aws[a-z-]*:acm:.+$",
        "be a certificate's ARN such as arn:aws:acm:eu-north-1:123456789012:certificate/1a2b3c",
    ),
]
Directory = Annotated[
    str, Text(r"^https://[^\s]{1,500}$", "be an address such as https://acme-v02.api.letsencrypt.org/directory")
]
HeaderPattern = Annotated[str, Field(min_length=1, max_length=128)]
Priority = Annotated[int, Field(ge=1, le=50000)]
YEAR_S = 365 * 86400.0


def _hsts(value: Any) -> Any:
    """Seconds, or False. RFC 6797 sets no bound; browsers' lists want a year, and two are the custom at most."""
    if isinstance(value, bool):
        return value and YEAR_S
    if not isinstance(value, str):
        raise units.NotAUnit(f'must be true, false or a duration such as "30d", found {units.value_text(value)}')
    length_s = units.duration(value)
    if not 1 <= length_s <= 2 * YEAR_S:
        raise ValueError(f"must be 1s to 730d, found {value}")
    return length_s


Hsts = Annotated[
    float | bool,
    BeforeValidator(_hsts),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": units.DURATION_PATTERN}]}),
]


class ConditionTable(Table):
    """When a rule matches; everything given must match."""

    path: UrlPath | None = key(
        '"/api" matches itself and everything below; with * or ? it is an AWS path pattern', to="path"
    )
    host: Host | None = key('host name, exact or with * and ?, such as "*.example.com"')
    header: dict[HeaderName, HeaderPattern] | None = key('headers and their patterns: { x-version = "beta" }')
    priority: Priority | None = key("1 to 50000, the lowest is tried first; by default the most exact rule comes first")
    model: ClassVar[type | None] = Condition

    def condition(self) -> Condition:
        """The model's condition: host and header names in lower case, headers sorted."""
        headers = {name.lower(): pattern for name, pattern in (self.header or {}).items()}
        host = None if self.host is None else self.host.lower()
        return Condition(path=self.path or "/", host=host, headers=tuple(sorted(headers.items())))


class RouteTable(ConditionTable):
    """What the balancer sends to this service."""

    weight: Annotated[int, Field(ge=0, le=999)] | None = key(
        "share of requests, 0 to 999, when services share a route; by default 1"
    )
    queue: bool | None = key(
        "false: its requests never wait for a place and hold none, such as long polls; by default true"
    )
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(str,),
        says='a path such as "/api"',
        expand=lambda value: {"path": value},
        schema={"type": "string", "pattern": PATH_PATTERN},
    )

    def resolve(self) -> Route:
        """The listener rule."""
        weight = 1 if self.weight is None else self.weight
        return Route(condition=self.condition(), weight=weight, priority=self.priority, queue=self.queue is not False)


class AnswerTable(ConditionTable):
    """A rule with a fixed answer: `redirect`, or `status` with a `body`."""

    redirect: Location | None = key("path or URL to redirect to; `status` is then 301 or 302, by default 301")
    status: Annotated[int, Field(ge=200, le=599)] | None = key("status of the answer, 200 to 599")
    body: Annotated[str, Field(max_length=1024)] | None = key("text of the answer, at most 1024 bytes")
    content_type: ContentType | None = key("type of the body; by default text/plain")

    def resolve(self) -> Redirect | FixedResponse:
        """The redirect or the fixed response."""
        condition, priority = self.condition(), self.priority
        if self.redirect is not None:
            return Redirect(condition=condition, location=self.redirect, status=self.status or 301, priority=priority)
        return FixedResponse(
            condition=condition,
            status=self.status or 404,
            body=self.body or "",
            content_type=self.content_type or "text/plain",
            priority=priority,
        )


class AcmeTable(Table):
    """Who issues the certificate, for `certificate = "acme"`."""

    domains: Annotated[list[Domain], OneOrMany(), Field(min_length=1, max_length=100)] = required(
        "names of the application, which must lead to this machine"
    )
    agree: bool = required("true: you accept the authority's terms of service")
    email: Email | None = key("where the authority sends mail", to="email")
    directory: Directory | None = key("the authority's address", to="directory")
    ca: str | None = key(
        "file with the certificates (PEM) that vouch for that address, of a private authority", to="ca", min_length=1
    )
    model: ClassVar[type | None] = Acme

    def resolve(self) -> Acme:
        """The authority."""
        return Acme(**self.given(), domains=tuple(dict.fromkeys(self.domains)))


class TlsTable(Table):
    """HTTPS and HTTP/2 at the listener. Without files: a self-signed certificate here, one from ACM on AWS."""

    enabled: bool | None = key("false turns it off; by default true")
    certificate: str | None = key(
        'file with the certificate chain (PEM), or "acme": issued and renewed as `[listener.acme]` says',
        to="certificate",
        min_length=1,
    )
    arn: Certificate | None = key("ARN of an ACM certificate, for AWS", to="certificate_arn")
    hsts: Hsts | None = key(
        'browsers must use https only: true for a year, or a duration such as "30d"; by default false'
    )
    # Last, because its name hides the function.
    key: str | None = key("file with the private key (PEM)", to="private_key", min_length=1)
    model: ClassVar[type | None] = Tls
    shorthand: ClassVar[Shorthand | None] = switch()

    @property
    def issued(self) -> bool:
        """Whether an authority is asked for the certificate."""
        return self.certificate == "acme"

    def resolve(self, acme: AcmeTable | None) -> Tls | None:
        """None when it is off."""
        if self.enabled is False:
            return None
        issued = {"certificate": None, "acme": acme.resolve()} if self.issued and acme is not None else {}
        return Tls(**{**self.given(), **issued}, hsts_s=self.hsts or None)


class ListenerTable(Table):
    """Where traffic enters."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = key("port on this machine", to="port")
    idle_timeout: Annotated[Duration, span("1s", "4000s")] | None = key(
        "how long an idle connection is kept open", to="idle_timeout_s"
    )
    standby: bool | None = key("true: a second balancer stands by on this machine", to="standby")
    max_body: Bytes | None = key("the same as `body` under `[listener.firewall]`")
    tls: TlsTable | None = key("HTTPS: true, or a table")
    acme: AcmeTable | None = key('who issues the certificate, for tls = { certificate = "acme" }')
    firewall: FirewallTable | None = key("who may ask, how often and for what")
    model: ClassVar[type | None] = Listener
    unsuited: ClassVar[dict[str, str]] = {"rate_limit": "is `rate` under [listener.firewall]"}

    def resolve(self, answers: list[AnswerTable]) -> Listener:
        """The listener with its redirects and fixed responses."""
        rules = [answer.resolve() for answer in answers]
        return Listener(
            **self.given(),
            tls=None if self.tls is None else self.tls.resolve(self.acme),
            firewall=self._firewall(),
            redirects=tuple(rule for rule in rules if isinstance(rule, Redirect)),
            fixed_responses=tuple(rule for rule in rules if isinstance(rule, FixedResponse)),
        )

    def _firewall(self) -> Firewall:
        firewall = Firewall() if self.firewall is None else self.firewall.resolve()
        sizes = [size for size in (self.max_body, firewall.max_body_bytes) if size is not None]
        return replace(firewall, max_body_bytes=min(sizes, default=None))
