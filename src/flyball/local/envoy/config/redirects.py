"""Rules that answer by themselves: redirects with AWS's placeholders, and fixed responses.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#redirect-actions
"""

from __future__ import annotations

import re

from flyball.core.model import FixedResponse, Redirect

from .types import Json

_HOST = r"%CEL(re.extract(request.host, '^(\\[[^]]*\\]|[^:]*)', '\\1'))%"
_PATH = r"%CEL(re.extract(request.url_path, '^/(.*)', '\\1'))%"
_OPTIONAL_QUERY = r"%CEL(re.extract(request.path, '^[^?]*([?].+)?', '\\1'))%"
_QUERY = "%QUERY_PARAMS(ORIG)%"


def redirect(rule: Redirect, *, protocol: str, port: str) -> Json:
    """Answer with `location`, its placeholders filled from the request and from the listener's protocol and port."""
    return {
        "direct_response": {"status": rule.status},
        "response_headers_to_add": [response_header("location", location(rule.location, protocol=protocol, port=port))],
    }


def fixed_response(rule: FixedResponse) -> Json:
    """Answer with a status and a text."""
    return {
        "direct_response": {"status": rule.status, **({"body": {"inline_string": rule.body}} if rule.body else {})},
        "response_headers_to_add": [response_header("content-type", literal(rule.content_type))] if rule.body else [],
    }


def location(text: str, *, protocol: str, port: str) -> str:
    """A redirect's location in Envoy's format: `#{host}` has no port, `#{path}` no leading slash, `#{query}` no `?`."""
    known = {
        "?#{query}": _OPTIONAL_QUERY,
        "#{host}": _HOST,
        "#{path}": _PATH,
        "#{query}": _QUERY,
        "#{protocol}": protocol,
        "#{port}": port,
    }
    parts = re.split("(" + "|".join(re.escape(placeholder) for placeholder in known) + ")", text)
    return "".join(known.get(part) or literal(part) for part in parts)


def literal(text: str) -> str:
    """A text that Envoy's format takes as it is."""
    return text.replace("%", "%%")


def response_header(name: str, value: str) -> Json:
    """Set a response header, over one that is there."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
