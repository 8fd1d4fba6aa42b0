"""Who may ask, how often and for what: the rules that come before routing, the same here and in AWS WAF.

Mirrors a web ACL: each rule matches a request and blocks it, or only counts it.
https://docs.aws.amazon.com/waf/latest/developerguide/web-acl.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FirewallAction(StrEnum):
    """What a rule does with a request that it matches: AWS WAF's words."""

    BLOCK = "block"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """How many requests one client address may send in any `per_s`, on `path` and everything below.

    More get a 429. Without an `action`, that of the firewall applies.
    """

    requests: int
    per_s: float
    path: str = "/"
    action: FirewallAction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """Rules for every request that comes to the listener.

    `allow`: only these addresses may ask, `deny`: these may not; all without. `methods`: only these; all without.
    `bad_input`: what to do with requests that fit `BAD_INPUT`. `managed`: AWS's own rules, on AWS.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    rates: tuple[RateLimit, ...] = ()
    methods: tuple[str, ...] = ()
    max_url_bytes: int | None = None
    max_headers_bytes: int | None = None
    max_body_bytes: int | None = None
    bad_input: FirewallAction | None = None
    action: FirewallAction = FirewallAction.BLOCK
    managed: bool = True

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the rules that are set, as they are counted."""
        held = {
            "deny": bool(self.deny),
            "allow": bool(self.allow),
            "methods": bool(self.methods),
            "url": self.max_url_bytes is not None,
            "headers": self.max_headers_bytes is not None,
            "bad_input": self.bad_input is not None,
            "body": self.max_body_bytes is not None,
        }
        return (*(name for name, is_set in held.items() if is_set), *map(self.rate_name, self.rates))

    def of_rule(self, name: str) -> FirewallAction:
        """What the rule of this name does."""
        limit = next((one for one in self.rates if self.rate_name(one) == name), None)
        own = limit.action if limit is not None else self.bad_input if name == "bad_input" else None
        return own or self.action

    def rate_name(self, limit: RateLimit) -> str:
        """What a rate limit is called where it is counted."""
        return f"rate-{self.rates.index(limit) + 1}" if len(self.rates) > 1 else "rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Something that no honest request has: a regular expression (RE2, ignoring case) for a part of it.

    It is looked for in the path with its query, as sent, and in the headers of `IN_HEADERS` where `headers` says so.
    """

    name: str
    regex: str
    headers: bool = False


_SPACE = r"(\s|\+|%20|%09|/\*.*?\*/)"
BAD_INPUT = (
    Pattern(
        name="files",
        regex=r"(/|%2f)etc(/|%2f)(passwd|shadow|group)|(/|%2f)proc(/|%2f)self(/|%2f)|(/|\\|%2f|%5c)win\.ini"
        r"|(/|%2f)\.(git|svn|env|htpasswd|htaccess|aws|ssh)(/|%2f|\?|$)",
    ),
    Pattern(
        name="script", regex=r"(<|%3c)(\s|%20|\+|/)*script|javascript(:|%3a)|(<|%3c)[^>]*(\s|%20|\+|/)on\w+(=|%3d)"
    ),
    Pattern(
        name="sql",
        regex=rf"union{_SPACE}+(all{_SPACE}+)?select{_SPACE}"
        rf"|('|%27|\"|%22){_SPACE}*(or|and){_SPACE}+('|%27|\"|%22)?\w+('|%27|\"|%22)?{_SPACE}*(=|%3d|like)"
        rf"|(;|%3b){_SPACE}*(drop|delete|insert|update|alter){_SPACE}",
    ),
    Pattern(name="lookup", regex=r"(\$|%24)(\{|%7b)(\s|%20)*(jndi|env|sys|lower|upper|ctx|:)", headers=True),
    Pattern(
        name="shell",
        regex=rf"(;|%3b|\||%7c|`|%60|(\$|%24)(\(|%28)){_SPACE}*(cat|wget|curl|nc|bash|sh|powershell|whoami|id){_SPACE}*"
        r"(\s|/|%2f|%20|\+|;|%3b|\)|%29|`|%60|$)",
    ),
    Pattern(name="null byte", regex=r"%00"),
)
IN_HEADERS = ("user-agent", "referer", "cookie", "x-api-version", "accept-language", "origin")
"""Where programs look things up that they should only log."""
