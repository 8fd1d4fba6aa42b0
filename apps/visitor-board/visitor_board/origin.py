"""Cross-site requests: a form on somebody else's page must not post in a visitor's name.

Browsers say where a POST comes from: `Sec-Fetch-Site` in all current ones, `Origin` in all since 2020. Both are out of
reach of a page's scripts. A request with neither does not come from a browser, so nobody's browser was tricked into
it, and curl needs no token. This needs no cookie, no secret and nothing shared among instances.
"""

from collections.abc import Mapping


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that this request was made by another site's page."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    source = headers.get("Origin") or headers.get("Referer")
    return source is not None and _host_of(source) != headers.get("Host", "").lower()


def _host_of(address: str) -> str:
    """Host and port as written. Not by urlsplit, which raises for some of what a client may send."""
    return address.partition("://")[2].partition("/")[0].lower()
