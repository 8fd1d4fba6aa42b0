"""Who may ask, how often and for what: the rules that come before routing, the same here and in AWS WAF.

Mirrors a web ACL: each rule matches a request and blocks it, or only counts it.
https://docs.aws.amazon.com/waf/latest/developerguide/web-acl.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

CORE_RULES = "owasp-crs"
UNJUDGED = f"{CORE_RULES} unjudged"  # the requests for which the rules' process gave no answer


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
class CoreRules:
    """The OWASP Core Rule Set: what `threshold` says of a request's score, but for rules and paths that are skipped.

    `body_bytes` of a body are looked at. `fail_open`: what nobody could judge is let through. `path`: where they lie.
    """

    path: str | None = None
    paranoia: int = 1
    threshold: int = 5
    skip_rules: tuple[int, ...] = ()
    skip_paths: tuple[str, ...] = ()
    body_bytes: int = 64 * 1024
    fail_open: bool = False
    action: FirewallAction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firewall:
    """Rules for every request that comes to the listener.

    `allow`: only these addresses may ask, `deny`: these may not; all without. `methods`: only these; all without.
    `bad_input`: what to do with requests that fit `BAD_INPUT`. `managed`: AWS's own rules, on AWS. `uploads`: paths
    whose bodies are files, which the rules of others do not block; None: nobody has told.
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
    core_rules: CoreRules | None = None
    uploads: tuple[str, ...] | None = None

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
            CORE_RULES: self.core_rules is not None,
        }
        return (*(name for name, is_set in held.items() if is_set), *map(self.rate_name, self.rates))

    def of_rule(self, name: str) -> FirewallAction:
        """What the rule of this name does."""
        core = self.core_rules
        if core is not None and name == UNJUDGED:
            return FirewallAction.COUNT if core.fail_open else FirewallAction.BLOCK
        of_core = core.action if core is not None and name.startswith(CORE_RULES) else None
        own = {"bad_input": self.bad_input, **{self.rate_name(one): one.action for one in self.rates}}
        return own.get(name, of_core) or self.action

    def rate_name(self, limit: RateLimit) -> str:
        """What a rate limit is called where it is counted."""
        return f"rate-{self.rates.index(limit) + 1}" if len(self.rates) > 1 else "rate"
