"""When a rule matches, in Envoy's words. AWS's patterns become regular expressions that must match the whole text."""

from __future__ import annotations

import re

from flyball.core.model import Condition
from flyball.core.model.rules import is_pattern

from .types import Json

REPEATABLE = "GET|HEAD|OPTIONS"
"""Methods that change nothing, so that a lost request may be sent again."""


def route_match(condition: Condition, *, repeatable: bool = False) -> Json:
    """The match of a rule; with `repeatable` only of its requests that may be sent twice."""
    headers = [_method()] if repeatable else []
    if condition.host is not None:
        headers.append(_host(condition.host))
    headers.extend(_header(name, pattern) for name, pattern in condition.headers)
    return {**_path(condition.path), **({"headers": headers} if headers else {})}


def expression(pattern: str) -> str:
    """The regular expression of an AWS pattern: `*` is any number of characters, `?` exactly one."""
    return "".join({"*": ".*", "?": "."}.get(character) or re.escape(character) for character in pattern)


def _path(path: str) -> Json:
    """A plain path matches itself and all below it; paths have upper and lower case, and the query is not looked at."""
    if is_pattern(path):
        return {"safe_regex": {"regex": expression(path)}}
    if path == "/":
        return {"prefix": "/"}
    return {"path_separated_prefix": path}


def _method() -> Json:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": REPEATABLE}}}


def _host(host: str) -> Json:
    """Hosts have no case, and the port the client wrote behind it does not count."""
    return {"name": ":authority", "string_match": {"safe_regex": {"regex": f"(?i){expression(host)}(:[0-9]+)?"}}}


def _header(name: str, pattern: str) -> Json:
    """Header values have no case in AWS's rules either."""
    return {"name": name, "string_match": {"safe_regex": {"regex": f"(?i){expression(pattern)}"}}}
