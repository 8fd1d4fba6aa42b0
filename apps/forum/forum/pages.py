"""The front page: three static files that use the API as any client would."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

_FOLDER = Path(__file__).parent.parent / "static"
_FILES = (
    ("/", "index.html", "text/html"),
    ("/forum.css", "forum.css", "text/css"),
    ("/forum.js", "forum.js", "text/javascript"),
)
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-cache",  # asks each time, and is told 304: a new release shows at once
}


def front_page() -> list[BaseRoute]:
    """Routes of the page and its style and script, held in memory."""
    return [_route(path, (_FOLDER / name).read_bytes(), media_type) for path, name, media_type in _FILES]


def _route(path: str, content: bytes, media_type: str) -> BaseRoute:
    tag = f'"{sha256(content).hexdigest()[:16]}"'
    headers = {**_HEADERS, "etag": tag}

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return Route(path, serve)
