"""The REST verbs over one resource: list and create, read, change and delete."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from forum import inputs
from forum.cursors import Cursors
from forum.log import request_id
from forum.peers import Peers
from forum.problems import Problem, invalid
from forum.resource import Body, Resource, Stored, new_id
from forum.store import Conflict, Item, Put, Remove, Store

IDEMPOTENCY_S = 24 * 3600
_RACES = 8  # tries of a change that another one overtakes


class Done(msgspec.Struct):
    """What a create with an Idempotency-Key answered. `asked` is a hash of the body that asked for it."""

    asked: str
    id: str
    answer: msgspec.Raw


class Endpoints:
    """Answers requests about `resource`, from `store`."""

    def __init__(self, resource: Resource, *, store: Store, peers: Peers) -> None:
        self._resource = resource
        self._store = store
        self._peers = peers
        self._cursors = Cursors(store)
        self._partition = resource.partition()

    async def collection(self, request: Request) -> Response:
        """GET and POST on the collection."""
        return await (self._create(request) if request.method == "POST" else self._list(request))

    async def one(self, request: Request) -> Response:
        """GET, PATCH and DELETE on one resource."""
        match request.method:
            case "PATCH":
                return await self._change(request)
            case "DELETE":
                return await self._delete(request)
        return await self._read(request)

    async def _read(self, request: Request) -> Response:
        item = await self._find(request)
        headers = {"etag": inputs.etag(item.version), "cache-control": "no-cache"}
        condition = request.headers.get("if-none-match")
        if condition is not None and inputs.matches(condition, item.version):
            return Response(status_code=304, headers=headers)
        return Response(item.body, headers=headers, media_type="application/json")

    async def _list(self, request: Request) -> Response:
        query = inputs.read_list_query(request, self._resource)
        partition = self._resource.partition(query.field, query.value)
        scope = f"{partition} {query.newest_first}"
        after = None
        if query.cursor is not None:
            after = await self._cursors.read(scope, query.cursor)
            if after is None:
                raise invalid("cursor was not made for this list")
        # One more than asked for tells whether there is a next page.
        items = await self._store.query(partition, after=after, newest_first=query.newest_first, limit=query.limit + 1)
        shown = items[: query.limit]
        following = b"null"
        if len(items) > query.limit:
            following = msgspec.json.encode(await self._cursors.make(scope, shown[-1].sk))
        body = b'{"items":[%b],"next":%b}' % (b",".join([item.body for item in shown]), following)
        return Response(body, headers={"cache-control": "no-cache"}, media_type="application/json")

    async def _create(self, request: Request) -> Response:
        key = inputs.idempotency_key(request)
        new = await inputs.read_body(request, self._resource.new)
        asked = hashlib.sha256(msgspec.json.encode(new)).hexdigest()
        if key is not None and (answer := await self._answered(key, asked)) is not None:
            return answer
        await self._check_references(new, request_id(request.scope))
        now = datetime.now(UTC)
        stored = self._resource.stored(
            id=new_id(), version=1, created_at=now, updated_at=now, **msgspec.structs.asdict(new)
        )
        body = msgspec.json.encode(stored)
        puts = self._puts(stored, body, was=0)
        if key is not None:
            puts.append(self._record(key, Done(asked, stored.id, msgspec.Raw(body))))
        try:
            await self._store.write(*puts)
        except Conflict:
            # Only the key can be taken: a request with the same one came in between.
            answer = await self._answered(key, asked) if key is not None else None
            if answer is None:
                raise
            return answer
        return self._created(stored.id, body)

    async def _check_references(self, new: Body, asker: str) -> None:
        for field, service in self._resource.references:
            id_ = getattr(new, field)
            if id_ is not None and not await self._peers.has(service, id_, request_id=asker):
                raise invalid(f"{field}: there is no such resource in {service}", pointer=f"#/{field}")

    def _record(self, key: str, done: Done) -> Put:
        pk, sk = self._record_key(key)
        expires = int(time.time()) + IDEMPOTENCY_S
        return Put(item=Item(pk=pk, sk=sk, body=msgspec.json.encode(done), expires=expires))

    def _record_key(self, key: str) -> tuple[str, str]:
        return f"idempotency#{self._resource.name}#{hashlib.sha256(key.encode()).hexdigest()}", "create"

    async def _answered(self, key: str, asked: str) -> Response | None:
        record = await self._store.get(*self._record_key(key))
        if record is None:
            return None
        done = msgspec.json.decode(record.body, type=Done)
        if done.asked != asked:
            raise invalid("this Idempotency-Key was used with another body")
        response = self._created(done.id, bytes(done.answer))
        response.headers["idempotency-replayed"] = "true"
        return response

    def _created(self, id_: str, body: bytes) -> Response:
        headers = {"location": f"{self._resource.path}/{id_}", "etag": inputs.etag(1)}
        return Response(body, 201, headers=headers, media_type="application/json")

    async def _change(self, request: Request) -> Response:
        change = await inputs.read_body(request, self._resource.change)
        fields = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not msgspec.UNSET}
        for _ in range(_RACES):
            item = await self._find(request)
            inputs.demand_match(request, item.version)
            stored = msgspec.structs.replace(
                msgspec.json.decode(item.body, type=self._resource.stored),
                version=item.version + 1,
                updated_at=datetime.now(UTC),
                **fields,
            )
            body = msgspec.json.encode(stored)
            try:
                await self._store.write(*self._puts(stored, body, was=item.version))
            except Conflict:
                continue  # another change came first: this one is laid over it, or refused by If-Match
            return Response(body, headers={"etag": inputs.etag(stored.version)}, media_type="application/json")
        raise Problem(409, "others change this too often right now; try again")

    async def _delete(self, request: Request) -> Response:
        for _ in range(_RACES):
            item = await self._find(request)
            inputs.demand_match(request, item.version)
            stored = msgspec.json.decode(item.body, type=self._resource.stored)
            partitions = self._resource.partitions(stored)
            try:
                await self._store.write(*(Remove(pk=pk, sk=item.sk, was=item.version) for pk in partitions))
            except Conflict:
                continue
            return Response(status_code=204)
        raise Problem(409, "others change this too often right now; try again")

    async def _find(self, request: Request) -> Item:
        id_ = request.path_params["id"]
        item = await self._store.get(self._partition, id_) if inputs.is_id(id_) else None
        if item is None:
            raise Problem(404, f"there is no such {self._resource.singular}")
        return item

    def _puts(self, stored: Stored, body: bytes, *, was: int) -> list[Put]:
        return [
            Put(item=Item(pk=pk, sk=stored.id, body=body, version=stored.version), was=was)
            for pk in self._resource.partitions(stored)
        ]
