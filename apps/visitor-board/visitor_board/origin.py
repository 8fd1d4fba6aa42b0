"""Cross-site requests: a form on somebody else's page must not post in a visitor's name.

Browsers say where a POST comes from: `Sec-Fetch-Site` in all current ones, `Origin` in all since 2020. Both are out of
reach of a page's scripts. A request with neither does not come from a browser, so nobody's browser was tricked into
it, and curl needs no token. This needs no cookie, no secret and nothing shared among instances.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_cross_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that this request was made by another site's page."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    source = headers.get("Origin") or headers.get("Referer")
    return source is not None and urlsplit(source).netloc.lower() != headers.get("Host", "").lower()
