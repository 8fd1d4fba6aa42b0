"""Uploading, listing and downloading."""

import mimetypes
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from session_app.form_file import BadForm, form_file
from session_app.names import clean_name
from session_app.pages import Pages, Refused, is_cross_site, wants_html
from session_app.ranges import Unsatisfiable, asked_part
from session_app.settings import Settings
from session_app.uploads import Changed, Content, NotFound, Upload, Uploads

LIST_MAX = 1000
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,80}/[A-Za-z0-9!#$&^_.+-]{1,80}( *; *[\x20-\x7e]{1,100})?")
_SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "text/plain"})
"""What a browser may show in place. Anything else is saved: a page or drawing with scripts would run as ours."""

_RAW_BODY = {"requestBody": {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}
_FORM_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            }
        },
    }
}


def _documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    meanings = {
        206: "A part of the file",
        303: "Stored; the list is there",
        304: "Not changed",
        400: "Refused: a name that is not allowed, or a body that broke off",
        403: "Refused: sent by another site's page",
        404: "No such file",
        413: "Too large",
        416: "No such part of the file",
        503: "A store does not answer",
    }
    return {status: {"description": meanings[status]} for status in statuses}


def add_files(app: FastAPI, uploads: Uploads, pages: Pages, settings: Settings) -> None:
    """Add the routes under `/upload`."""
    _add_storing(app, uploads, settings)
    _add_listing(app, uploads, pages, settings)
    _add_reading(app, uploads)


def _add_storing(app: FastAPI, uploads: Uploads, settings: Settings) -> None:
    async def store(name: str, content_type: str, body: AsyncIterator[bytes]) -> dict[str, Any]:
        await uploads.put(name, content_type, body)
        return {**_as_json(await uploads.find(name)), "type": content_type, "instance": settings.instance}

    @app.put(
        "/upload/{name:path}",
        status_code=201,
        responses=_documented(400, 403, 413, 503),
        openapi_extra=_RAW_BODY,
    )
    async def put(name: str, request: Request) -> JSONResponse:
        """Store the raw body under the name, in place of what had it before."""
        _refuse_cross_site(request)
        name = _name(name)
        kept = await store(name, _type(request.headers.get("content-type"), name), _body(request, settings))
        return JSONResponse(kept, 201, {"location": f"/upload/{quote(name, safe='')}"})

    @app.post(
        "/upload",
        status_code=201,
        responses=_documented(303, 400, 403, 413, 503),
        openapi_extra=_FORM_BODY,
    )
    async def post(request: Request) -> Response:
        """Store the file of a form under its own name."""
        _refuse_cross_site(request)
        body = _body(request, settings)
        try:
            file = await form_file(request.headers.get("content-type", ""), body)
            name = _name(file.name)
            kept = await store(name, _type(file.content_type, name), file.chunks)
        except BadForm as error:
            raise Refused(400, str(error)) from error
        if wants_html(request):
            return RedirectResponse("/upload", 303)
        return JSONResponse(kept, 201, {"location": f"/upload/{quote(name, safe='')}"})


def _add_listing(app: FastAPI, uploads: Uploads, pages: Pages, settings: Settings) -> None:
    @app.get("/upload", responses=_documented(400, 503))
    async def listed(
        request: Request, limit: Annotated[int, Query(ge=1, le=LIST_MAX)] = 100, after: str = ""
    ) -> Response:
        """The files by name; a page with the form for a browser. `next` is the `after` of the next page."""
        found, more = await uploads.page(limit=limit, after=_name(after) if after else "")
        if wants_html(request):
            return pages.page(
                "upload.html", uploads=found, more=more, after=after, limit=limit, most=settings.upload_max_bytes
            )
        return JSONResponse({"files": [_as_json(upload) for upload in found], "next": more}, headers={"vary": "accept"})


def _add_reading(app: FastAPI, uploads: Uploads) -> None:
    @app.head("/upload/{name:path}", include_in_schema=False)
    @app.get(
        "/upload/{name:path}",
        response_class=StreamingResponse,
        responses=_documented(206, 304, 400, 404, 416, 503),
    )
    async def get(name: str, request: Request) -> Response:
        """The file, or with `Range` a part of it, with the type it was stored with."""
        name = _name(name)
        try:
            return await _answer(name, request, uploads)
        except NotFound as error:
            raise Refused(404, "There is no file of this name.") from error


async def _answer(name: str, request: Request, uploads: Uploads) -> Response:
    for _ in range(5):
        known = await uploads.find(name)
        caching = {"etag": known.e_tag, "accept-ranges": "bytes", "cache-control": "private, no-cache"}
        if _has_it(request, known):
            return Response(status_code=304, headers=caching)
        try:
            part = asked_part(_range(request, known), known.size)
            content = await uploads.get(name, part=part, e_tag=known.e_tag or None)
        except Unsatisfiable as error:
            headers = {"content-range": f"bytes */{known.size}"}
            raise Refused(416, f"The file has only {known.size} bytes.", headers) from error
        except Changed:
            # Somebody replaced the file just now; the new one is as good.
            continue
        headers = {**caching, **_about(name, content)}
        if part is not None:
            headers["content-range"] = f"bytes {content.start}-{content.stop - 1}/{known.size}"
        if request.method == "HEAD":
            return Response(status_code=200 if part is None else 206, headers=headers)
        return StreamingResponse(content.chunks, 200 if part is None else 206, headers)
    raise Refused(503, "The file changes too often to be read. Please try again.", {"retry-after": "1"})


def _about(name: str, content: Content) -> dict[str, str]:
    shown = content.content_type.partition(";")[0].strip().lower() in _SHOWN
    place = "inline" if shown else "attachment"
    return {
        "content-type": content.content_type,
        "content-length": str(content.stop - content.start),
        "content-disposition": f"{place}; filename*=UTF-8''{quote(name, safe='')}",
        # Whatever it is, it may not act as a page of this site.
        "content-security-policy": "sandbox; default-src 'none'",
    }


def _has_it(request: Request, known: Upload) -> bool:
    """Whether If-None-Match names this state of the file, or any (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return "*" in tags or (known.e_tag != "" and known.e_tag in tags)


def _range(request: Request, known: Upload) -> str | None:
    """The Range header, unless it is meant for another state of the file."""
    only_if = request.headers.get("if-range")
    return request.headers.get("range") if only_if is None or only_if == known.e_tag else None


async def _body(request: Request, settings: Settings) -> AsyncIterator[bytes]:
    """The request's body. Raises Refused when it is longer than allowed or not as long as was said."""
    said = request.headers.get("content-length")
    most = settings.upload_max_bytes
    too_large = Refused(413, f"A file has at most {most} bytes.")
    if said is not None and int(said) > most:
        raise too_large
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > most:
            raise too_large
        if chunk:
            yield chunk
    if said is not None and count != int(said):
        raise Refused(400, f"The body has {count} bytes, not {said} as its header says.")


def _name(name: str) -> str:
    try:
        return clean_name(name)
    except ValueError as error:
        raise Refused(400, str(error)) from error


def _type(content_type: str | None, name: str) -> str:
    """The type the client gave, if it is one, else the one that the name suggests."""
    if content_type and _TYPE.fullmatch(content_type) and content_type != "application/x-www-form-urlencoded":
        return content_type
    guessed, compressed = mimetypes.guess_type(name)
    return guessed if guessed and not compressed else "application/octet-stream"


def _refuse_cross_site(request: Request) -> None:
    if is_cross_site(request):
        raise Refused(403, "This was sent from another site's page, so it was not stored.")


def _as_json(upload: Upload) -> dict[str, Any]:
    return {"name": upload.name, "size": upload.size, "modified": upload.modified.isoformat(timespec="seconds")}
