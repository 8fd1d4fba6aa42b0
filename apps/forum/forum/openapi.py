"""The OpenAPI 3.1 document of a service, made from the very types that check its bodies.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from typing import Any

import msgspec

from forum.inputs import DEFAULT_LIMIT, KEY_PATTERN, MAX_LIMIT
from forum.problems import MEDIA_TYPE, ProblemDocument
from forum.resource import Id, Resource

_STATUSES = {
    304: "Not changed: the client's copy is good.",
    400: "Not readable: broken JSON, or a bad header.",
    404: "There is no such resource.",
    409: "Others change the same resource too often at this moment.",
    412: "If-Match names another version.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "Readable, but not acceptable.",
    503: "The store, or another service that is needed, does not answer. Try again.",
}
_Json = dict[str, Any]


def document(resource: Resource) -> _Json:
    """The whole document, ready to be encoded."""
    title = resource.singular.capitalize()
    page = msgspec.defstruct(f"{title}Page", [("items", list[resource.stored]), ("next", str | None)])  # type: ignore[name-defined]
    shapes = [resource.stored, resource.new, resource.change, page, ProblemDocument]
    refs, components = msgspec.json.schema_components(shapes, ref_template="#/components/schemas/{name}")
    stored, new, change, listed, problem = refs
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Forum: {resource.name}", "version": "1.0.0", "description": resource.summary},
        "servers": [{"url": "/", "description": "The load balancer that all services share."}],
        "paths": {
            resource.path: {
                "get": _list(resource, listed, problem),
                "post": _create(resource, new, stored, problem),
            },
            f"{resource.path}/{{id}}": {
                "parameters": [_parameter("id", "path", _schema(Id), required=True)],
                "get": _read(resource, stored, problem),
                "patch": _change(resource, change, stored, problem),
                "delete": _delete(resource, problem),
            },
        },
        "components": {"schemas": components},
    }


def _list(resource: Resource, listed: _Json, problem: _Json) -> _Json:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    order = {"type": "string", "enum": ["newest", "oldest"], "default": "newest"}
    return {
        "operationId": f"list-{resource.name}",
        "summary": f"Lists {resource.name}, one page at a time",
        "parameters": [
            _parameter("limit", "query", limit, description=f"1 to {MAX_LIMIT}; {DEFAULT_LIMIT} if not given."),
            _parameter("order", "query", order, description="`newest` first, or `oldest` first."),
            _parameter("cursor", "query", {"type": "string"}, description="`next` of the page before."),
            *(
                _parameter(field, "query", _schema(Id), description=f"Only {resource.name} with this {field}.")
                for field in resource.listed_by
            ),
        ],
        "responses": {
            "200": _answer("A page; `next` is null on the last one.", listed),
            **_problems(problem, 422, 503),
        },
    }


def _create(resource: Resource, new: _Json, stored: _Json, problem: _Json) -> _Json:
    key = _parameter(
        "Idempotency-Key",
        "header",
        {"type": "string", "pattern": KEY_PATTERN},
        description="Names this create. The same key and body within 24 hours give the same answer, whatever happened.",
    )
    headers = {**_headers("Location", "ETag"), "Idempotency-Replayed": {"schema": {"type": "string", "const": "true"}}}
    return {
        "operationId": f"create-{resource.singular}",
        "summary": f"Creates a {resource.singular}",
        "parameters": [key],
        "requestBody": _body(new),
        "responses": {
            "201": {**_answer("Created, or created before under the same key.", stored), "headers": headers},
            **_problems(problem, 400, 413, 415, 422, 503),
        },
    }


def _read(resource: Resource, stored: _Json, problem: _Json) -> _Json:
    return {
        "operationId": f"read-{resource.singular}",
        "summary": f"Reads one {resource.singular}",
        "parameters": [
            _parameter("If-None-Match", "header", {"type": "string"}, description="ETags that need not be sent again.")
        ],
        "responses": {
            "200": {**_answer("As it is now.", stored), "headers": _headers("ETag")},
            "304": {"description": _STATUSES[304], "headers": _headers("ETag")},
            **_problems(problem, 404, 503),
        },
    }


def _change(resource: Resource, change: _Json, stored: _Json, problem: _Json) -> _Json:
    return {
        "operationId": f"change-{resource.singular}",
        "summary": f"Changes the given fields of one {resource.singular}",
        "parameters": [_if_match()],
        "requestBody": _body(change),
        "responses": {
            "200": {**_answer("As it is now.", stored), "headers": _headers("ETag")},
            **_problems(problem, 400, 404, 409, 412, 413, 415, 422, 503),
        },
    }


def _delete(resource: Resource, problem: _Json) -> _Json:
    return {
        "operationId": f"delete-{resource.singular}",
        "summary": f"Deletes one {resource.singular}",
        "parameters": [_if_match()],
        "responses": {"204": {"description": "Gone."}, **_problems(problem, 404, 409, 412, 503)},
    }


def _parameter(name: str, place: str, schema: _Json, *, required: bool = False, description: str = "") -> _Json:
    parameter: _Json = {"name": name, "in": place, "schema": schema, "required": required}
    return {**parameter, "description": description} if description else parameter


def _if_match() -> _Json:
    return _parameter("If-Match", "header", {"type": "string"}, description="The ETag that it must still have.")


def _schema(kind: Any) -> _Json:
    return msgspec.json.schema(kind)


def _body(schema: _Json) -> _Json:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _answer(description: str, schema: _Json) -> _Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _headers(*names: str) -> _Json:
    return {name: {"schema": {"type": "string"}} for name in names}


def _problems(schema: _Json, *statuses: int) -> _Json:
    content = {MEDIA_TYPE: {"schema": schema}}
    return {str(status): {"description": _STATUSES[status], "content": content} for status in statuses}
