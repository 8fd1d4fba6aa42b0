"""The `[listener.firewall]` table."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from flyball.core.manifest import units
from flyball.core.model import CoreRules, Firewall, FirewallAction, RateLimit

from .base import Bytes, Duration, Lax, OneOrMany, Shorthand, Table, Text, between, key, required, span

PATH = r"^/[^\s#*?]{0,127}$"
Path = Annotated[str, Text(PATH, "be a path such as /api, without * or ?")]
MOST_RATES = 10
_Action = Annotated[FirewallAction, Lax]


def _network(value: str) -> str:
    """An address or a range of them, as a range. Raises ValueError."""
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"must be an address or a range such as 203.0.113.0/24, found {value!r}") from None
    raise ValueError(f"{value!r} is no range: did you mean {meant}?")


Addresses = Annotated[list[Annotated[str, AfterValidator(_network)]], Field(min_length=1, max_length=1000), OneOrMany()]
Methods = Annotated[
    list[Annotated[str, Text(r"^[A-Z]{1,20}$", "be a method such as GET, in capitals")]],
    Field(min_length=1, max_length=20),
    OneOrMany(),
]


def _rate(value: str) -> dict[str, object]:
    requests, per = units.rate(value)
    return {"requests": requests, "per": units.duration_text(per)}


class RateLimitTable(Table):
    """How many requests one client address may send."""

    requests: Annotated[int, Field(ge=1, le=2_000_000_000)] = required("how many requests")
    per: Annotated[Duration, span("1s", "1d")] = required("in any time as long as this")
    path: Path | None = key("only this path and everything below it", to="path")
    action: _Action | None = key("block or count; by default that of the firewall", to="action")
    model: ClassVar[type | None] = RateLimit
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(str,),
        says='a rate such as "100/1m"',
        expand=_rate,
        schema={"type": "string", "pattern": units.RATE_PATTERN},
    )

    def resolve(self) -> RateLimit:
        """The limit."""
        return RateLimit(requests=self.requests, per_s=self.per, **self.given())


def _bytes_between(low: str, high: str) -> Any:
    return between(units.size(low), units.size(high), lambda value: units.size_text(int(value)))


class CoreRulesTable(Table):
    """The OWASP Core Rule Set, asked of each request here; on AWS its managed rule groups stand in for it."""

    set: Annotated[str, Text("^owasp-crs$", 'be "owasp-crs", the OWASP Core Rule Set')] = required('"owasp-crs"')
    path: str | None = key("directory of the rules; by default where Debian has them", to="path", min_length=1)
    paranoia: Annotated[int, Field(ge=1, le=4)] | None = key("1 to 4: the higher, the more rules", to="paranoia")
    threshold: Annotated[int, Field(ge=1, le=1000)] | None = key(
        "score from which a request is refused: a critical rule counts 5, an error 4, a warning 3, a notice 2",
        to="threshold",
    )
    skip_rules: list[Annotated[int, Field(ge=1, le=9_999_999)]] | None = key(
        "ids of rules that are left out, such as [942100]"
    )
    skip_paths: Annotated[list[Path], OneOrMany()] | None = key("these paths and everything below are not judged")
    body: Annotated[Bytes, _bytes_between("0B", "8MB")] | None = key(
        "how much of a body is looked at; the rest streams through", to="body_bytes"
    )
    on_failure: Annotated[str, Text("^(open|closed)$", 'be "open" or "closed"')] | None = key(
        "what becomes of requests while the judge does not answer: open lets them through, closed answers 503; "
        "by default closed"
    )
    action: _Action | None = key("block or count; by default that of the firewall", to="action")
    model: ClassVar[type | None] = CoreRules
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(str,),
        says='the name "owasp-crs"',
        expand=lambda value: {"set": value},
        schema={"type": "string", "const": "owasp-crs"},
    )

    def resolve(self) -> CoreRules:
        """The rules."""
        return CoreRules(
            **self.given(),
            skip_rules=tuple(self.skip_rules or ()),
            skip_paths=tuple(self.skip_paths or ()),
            fail_open=self.on_failure == "open",
        )


class FirewallTable(Table):
    """Rules for every request before it is routed, the same here and in AWS WAF."""

    allow: Addresses | None = key("only these addresses and ranges may ask; by default all")
    deny: Addresses | None = key("these addresses and ranges may not")
    rate: Annotated[list[RateLimitTable], Field(min_length=1, max_length=MOST_RATES), OneOrMany()] | None = key(
        'limit per client address: "100/1m", a table, or a list of them'
    )
    methods: Methods | None = key('only these methods, such as ["GET", "HEAD", "POST"]; by default all')
    url: Annotated[Bytes, _bytes_between("64B", "32KB")] | None = key("longest path with its query", to="max_url_bytes")
    headers: Annotated[Bytes, _bytes_between("256B", "60KB")] | None = key(
        "most bytes of all headers together", to="max_headers_bytes"
    )
    body: Bytes | None = key("largest request body; by default unlimited", to="max_body_bytes")
    bad_input: _Action | None = key(
        "block or count what no honest request has: scripts, SQL, paths of system files; by default neither",
        to="bad_input",
    )
    action: _Action | None = key("what the rules do: block, or only count", to="action")
    managed: bool | None = key("AWS's own firewall rules in front of the balancer there", to="managed")
    rules: CoreRulesTable | None = key('"owasp-crs": the OWASP Core Rule Set; by default none')
    uploads: Annotated[list[Path], OneOrMany()] | None = key(
        "paths that take files: AWS's managed rules and the OWASP rules do not block bodies there. "
        "By default the OWASP rules look at every body, and AWS's rules block none"
    )
    model: ClassVar[type | None] = Firewall

    def resolve(self) -> Firewall:
        """The rules."""
        return Firewall(
            **self.given(),
            allow=tuple(self.allow or ()),
            deny=tuple(self.deny or ()),
            rates=tuple(rate.resolve() for rate in self.rate or ()),
            methods=tuple(self.methods or ()),
            core_rules=None if self.rules is None else self.rules.resolve(),
            uploads=None if self.uploads is None else tuple(self.uploads),
        )
