"""What a client sends, read strictly: bodies, list parameters, conditional headers. Every fault is a Problem."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from forum.problems import FieldError, Problem, invalid
from forum.resource import ID_PATTERN, Resource

MAX_BODY = 128 * 1024  # the longest text, each character escaped as two \uXXXX, still fits
MAX_IGNORED = 64 * 1024 * 1024  # who is cut off while sending may never see the answer, so the rest is read, not kept
MAX_LIMIT = 100
DEFAULT_LIMIT = 20
KEY_PATTERN = "^[!-~]{1,255}$"

_B = TypeVar("_B", bound=msgspec.Struct)
_PLACE = re.compile(r"^(?P<detail>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_ID = re.compile(ID_PATTERN)
_KEY = re.compile(KEY_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Parameters of a list. `field` and `value` choose a part of it; `cursor` is not checked yet."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    newest_first: bool = True
    field: str | None = None
    value: str = ""


async def read_body(request: Request, shape: type[_B]) -> _B:
    """The request's JSON body as `shape`. Raises Problem: 400, 413, 415 or 422."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "send the body as application/json", headers={"accept": "application/json"})
    raw = await _read_limited(request)
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {error}") from error


async def _read_limited(request: Request) -> bytes:
    raw, size = bytearray(), 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= MAX_BODY:
                raw += chunk
            elif size > MAX_IGNORED:
                break
    except ClientDisconnect as error:
        raise Problem(400, "the body ended too early") from error
    if size > MAX_BODY:
        raise Problem(413, f"the body is larger than {MAX_BODY} bytes", headers={"connection": "close"})
    return bytes(raw)


def _invalid(error: msgspec.ValidationError) -> Problem:
    found = _PLACE.match(str(error))
    assert found is not None
    path = re.sub(r"\.|\[(\d+)\]", lambda index: f"/{index[1] or ''}", found["path"] or "")
    return Problem(422, found["detail"], errors=[FieldError(found["detail"], f"#{path}")])


def read_list_query(request: Request, resource: Resource) -> ListQuery:
    """The parameters of a list. Raises Problem (422) for unknown, repeated and bad ones."""
    if not request.scope["query_string"]:
        return ListQuery()
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in given or name not in ("limit", "cursor", "order", *resource.listed_by):
            raise invalid(f"the parameter {name!r} is {'repeated' if name in given else 'not known'}")
        given[name] = value
    fields = [field for field in resource.listed_by if field in given]
    for field in fields:
        if not is_id(given[field]):
            raise invalid(f"{field} is not an id")
    if given.get("order", "newest") not in ("newest", "oldest"):
        raise invalid("order is 'newest' or 'oldest'")
    return ListQuery(
        limit=_limit(given.get("limit")),
        cursor=given.get("cursor"),
        newest_first=given.get("order", "newest") == "newest",
        field=fields[0] if fields else None,
        value=given[fields[0]] if fields else "",
    )


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not re.fullmatch("[0-9]{1,4}", text, re.ASCII) or not 1 <= int(text) <= MAX_LIMIT:
        raise invalid(f"limit is a number from 1 to {MAX_LIMIT}")
    return int(text)


def is_id(text: str) -> bool:
    """Whether `text` has the form of an id."""
    return len(text) == 26 and _ID.match(text) is not None


def idempotency_key(request: Request) -> str | None:
    """The client's name for this create, if it gave one. Raises Problem (400) for a bad one."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise Problem(400, "Idempotency-Key has 1 to 255 visible ASCII characters")
    return key


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def matches(condition: str, version: int) -> bool:
    """Whether an If-Match or If-None-Match header names this version. Weak tags count as strong ones here."""
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return "*" in tags or etag(version) in tags


def demand_match(request: Request, version: int) -> None:
    """Raises Problem (412) when the client's If-Match does not name this version."""
    condition = request.headers.get("if-match")
    if condition is not None and not matches(condition, version):
        raise Problem(412, f"the version is {version} now")
