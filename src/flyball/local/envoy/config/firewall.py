"""The firewall in Envoy: rules on what a request is (RBAC), limits on how often (`rate/rate.c`), a size of its body.

A rule that blocks stands in Envoy's rules, one that counts in its shadow rules; Envoy counts both by their names.
Where Envoy runs no WebAssembly, a bucket for each address stands in for the sliding window.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

from flyball.core.bad_input import BAD_INPUT, IN_HEADERS, Pattern
from flyball.core.model import Firewall, FirewallAction

from .access_log import with_details
from .core_rules import core_rules_filter
from .types import Json, extension, seconds, typed

PROGRAM = str(Path(__file__).parents[1] / "rate" / "rate.wasm")
NAME = "firewall"
REMEMBERED_CLIENTS = 10_000
SHORTEST_REFILL_S = 0.05
"""Envoy takes none shorter."""

_ANY: Json = {"any": True}


def filters(firewall: Firewall, *, program: str | None) -> list[Json]:
    """The filters of the rules, in order. `program` is the one of rates, None without WebAssembly."""
    found = []
    if any(_policies(firewall, action) for action in FirewallAction):
        found.append(_rules(firewall))
    if firewall.rates:
        found += _buckets(firewall) if program is None else [_windows(firewall, program)]
    if firewall.max_body_bytes is not None and firewall.action is FirewallAction.BLOCK:
        found.append(_body_limit(firewall.max_body_bytes))
    if firewall.core_rules is not None:
        found.append(core_rules_filter(firewall.core_rules))
    return found


def _rules(firewall: Firewall) -> Json:
    kinds = {"rules": FirewallAction.BLOCK, "shadow_rules": FirewallAction.COUNT}
    found = {kind: policies for kind, action in kinds.items() if (policies := _policies(firewall, action))}
    return extension(
        "envoy.filters.http.rbac",
        "filters.http.rbac.v3.RBAC",
        rules_stat_prefix=f"{NAME}.",
        shadow_rules_stat_prefix=f"{NAME}.",
        track_per_rule_stats=True,
        **{kind: {"action": "DENY", "policies": policies} for kind, policies in found.items()},
    )


def _policies(firewall: Firewall, action: FirewallAction) -> dict[str, Json]:
    """The policies that do this, by name."""
    found = dict(_own(firewall)) if firewall.action is action else {}
    if firewall.max_body_bytes is not None and firewall.action is action:
        found["body"] = _policy(condition=_longer(_field("request", "size"), firewall.max_body_bytes))
    if firewall.bad_input is action:
        found["bad_input"] = _policy({"or_rules": {"rules": [one for each in BAD_INPUT for one in _fits(each)]}})
    return found


def _own(firewall: Firewall) -> Iterator[tuple[str, Json]]:
    if firewall.deny:
        yield "deny", _policy(principal=_from(firewall.deny))
    if firewall.allow:
        yield "allow", _policy(principal={"not_id": _from(firewall.allow)})
    if firewall.methods:
        yield "methods", _policy({"not_rule": _header(":method", "|".join(firewall.methods))})
    if firewall.max_url_bytes is not None:
        length = {"call_expr": {"function": "size", "args": [_field("request", "path")]}}
        yield "url", _policy(condition=_longer(length, firewall.max_url_bytes))
    if firewall.max_headers_bytes is not None:
        yield "headers", _policy(condition=_longer(_field("request", "total_size"), firewall.max_headers_bytes))


def _policy(permission: Json = _ANY, principal: Json = _ANY, condition: Json | None = None) -> Json:
    conditions = {} if condition is None else {"condition": condition}
    return {"permissions": [permission], "principals": [principal], **conditions}


def _from(ranges: tuple[str, ...]) -> Json:
    networks = [ip_network(one) for one in ranges]
    return {
        "or_ids": {
            "ids": [
                {"direct_remote_ip": {"address_prefix": str(one.network_address), "prefix_len": one.prefixlen}}
                for one in networks
            ]
        }
    }


def _fits(pattern: Pattern) -> Iterator[Json]:
    """Envoy matches a header as a whole."""
    for name in (":path", *(IN_HEADERS if pattern.headers else ())):
        yield _header(name, f"(?is).*({pattern.regex}).*")


def _header(name: str, regex: str) -> Json:
    return {"header": {"name": name, "string_match": {"safe_regex": {"regex": regex}}}}


def _field(of: str, name: str) -> Json:
    return {"select_expr": {"operand": {"ident_expr": {"name": of}}, "field": name}}


def _longer(what: Json, than: int) -> Json:
    return {"call_expr": {"function": "_>_", "args": [what, {"const_expr": {"int64_value": str(than)}}]}}


def _windows(firewall: Firewall, program: str) -> Json:
    lines = [
        f"{firewall.rate_name(limit)} {limit.requests} {round(1000 * limit.per_s)}"
        f" {int(firewall.of_rule(firewall.rate_name(limit)) is FirewallAction.COUNT)} {limit.path}\n"
        for limit in firewall.rates
    ]
    config = {
        "name": NAME,
        "root_id": NAME,
        "failure_policy": "FAIL_OPEN",
        "configuration": typed("google.protobuf.StringValue", value="".join(lines)),
        "vm_config": {
            "vm_id": NAME,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": program}},
        },
    }
    return extension("envoy.filters.http.wasm", "filters.http.wasm.v3.Wasm", config=config)


def _buckets(firewall: Firewall) -> list[Json]:
    """A bucket for each client address, refilled evenly. Paths and counting need the program."""
    blocking = [
        one
        for one in firewall.rates
        if firewall.of_rule(firewall.rate_name(one)) is FirewallAction.BLOCK and one.path == "/"
    ]
    return [_bucket(limit.requests, limit.per_s) for limit in blocking]


def _bucket(requests: int, per_s: float) -> Json:
    interval_s = max(per_s, SHORTEST_REFILL_S)
    bucket = {
        "max_tokens": requests,
        "tokens_per_fill": max(1, round(requests * interval_s / per_s)),
        "fill_interval": seconds(interval_s),
    }
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return extension(
        "envoy.filters.http.local_ratelimit",
        "filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="rate_limit",
        filter_enabled=always,
        filter_enforced=always,
        # Every request takes from its client's bucket; the bucket of all together is never asked.
        token_bucket={"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "1s"},
        always_consume_default_token_bucket=False,
        max_dynamic_descriptors=REMEMBERED_CLIENTS,
        rate_limits=[{"actions": [{"remote_address": {}}]}],
        descriptors=[{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
    )


def counters(firewall: Firewall) -> list[Json]:
    """Access logs that only count: bodies that were too large without having told so; the filter counts none."""
    if firewall.max_body_bytes is None or firewall.action is not FirewallAction.BLOCK:
        return []
    counter = extension(
        "envoy.access_loggers.stats",
        "access_loggers.stats.v3.Config",
        stats_scope={"prefix": f"{NAME}_log"},
        counters=[{"stat": {"name": "body"}, "value_fixed": 1}],
    )
    return [{**counter, "filter": with_details("request_payload_too_large")}]


def _body_limit(largest: int) -> Json:
    """For bodies that do not tell their size before: it is counted as they pass, so a large upload still streams."""
    return extension(
        "envoy.filters.http.body_size_limit",
        "filters.http.body_size_limit.v3.BodySizeLimit",
        max_request_bytes=str(largest),
    )
