"""Requests that no rule ever sees: what could get past a rule, what HTTP forbids, and what AWS's balancer refuses too.

Requests that are malformed as such (two lengths, bad chunks, odd request lines) are refused by Envoy's parser.
"""

from __future__ import annotations

from .redirects import response_header
from .types import Json

# A segment of two dots, also when written as %2e or between other slashes, could lead past a rule by its path. So could
# one in more bytes than UTF-8 allows, which some programs decode all the same (%c0%ae is a dot).
_LONG_DOT = r"%[cC]0%[aA][eE]|%[eE]0%80%[aA][eE]|%[fF]0%80%80%[aA][eE]"
_LONG_SLASH = (
    r"%[cC]0%[aA][fF]|%[cC]1%9[cC]|%[eE]0%80%[aA][fF]|%[eE]0%81%9[cC]|%[fF]0%80%80%[aA][fF]|%[fF]0%80%81%9[cC]"
)
_DOT, _SLASH = rf"(\.|%2[eE]|{_LONG_DOT})", rf"/|\\|%2[fF]|%5[cC]|{_LONG_SLASH}"
_CLIMBS = rf".*({_SLASH}){_DOT}{{2}}(({_SLASH}|;|%3[bB]).*)?"

_ALLOWED = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

# None, or several, which Envoy joins by commas: https://www.rfc-editor.org/rfc/rfc9112#section-3.2
_NOT_ONE_HOST = "|.*,.*"


def refusals() -> list[Json]:
    """Routes that come before all rules.

    405 for TRACE as on AWS; 403 for CONNECT, which asks for a tunnel that no application here has.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#http-405-issues
    """
    return [
        _refuse({"connect_matcher": {}}, 403),
        {
            **_refuse({"prefix": "/", "headers": [_header(":method", "TRACE")]}, 405),
            "response_headers_to_add": [response_header("allow", _ALLOWED)],
        },
        _refuse({"prefix": "/", "headers": [_header(":authority", _NOT_ONE_HOST)]}, 400),
        _refuse({"safe_regex": {"regex": _CLIMBS}}, 400),
    ]


def _refuse(match: Json, status: int) -> Json:
    return {"match": match, "direct_response": {"status": status}}


def _header(name: str, regex: str) -> Json:
    return {"name": name, "string_match": {"safe_regex": {"regex": regex}}}
