"""HTML and the headers that every answer carries."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from markupsafe import Markup

_HERE = Path(__file__).parent
_CSS = (_HERE / "app.css").read_text("utf-8")
_CSS_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()

HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_CSS_HASH}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    # Not "no-referrer": with that, browsers send "Origin: null" with the page's own form.
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}


class Refused(Exception):
    """A request that is answered with `status` and one sentence."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = dict(headers or {})


class Pages:
    """The templates, filled in for this copy."""

    def __init__(self, *, instance: str) -> None:
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.globals.update(css=Markup(_CSS), instance=instance)
        self._templates.filters.update(size=_size, path=lambda name: quote(name, safe=""))

    def page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """The page made from a template. It differs by what the client accepts, and says so to caches."""
        html = self._templates.get_template(template).render(values)
        return HTMLResponse(html, status, {"vary": "accept"})

    def refusal(self, request: Request, refused: Refused) -> Response:
        """A refused request as a page for a browser, as JSON for others."""
        if wants_html(request):
            answer: Response = self.page("refused.html", status=refused.status, sentence=str(refused))
        else:
            answer = JSONResponse({"error": str(refused)}, refused.status, {"vary": "accept"})
        answer.headers.update(refused.headers)
        return answer


def wants_html(request: Request) -> bool:
    """Whether the client is a browser that shows a page."""
    return "text/html" in request.headers.get("accept", "")


def is_cross_site(request: Request) -> bool:
    """Whether a browser says that another site's page made this request. Programs that are no browser say nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    source = request.headers.get("origin") or request.headers.get("referer")
    return source is not None and _host_of(source) != request.headers.get("host", "").lower()


def _host_of(address: str) -> str:
    """Host and port as written. Not by urlsplit, which raises for some of what a client may send."""
    return address.partition("://")[2].partition("/")[0].lower()


def _size(count: int) -> str:
    """Bytes as people read them."""
    size, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
