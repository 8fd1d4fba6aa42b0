"""The store in a DynamoDB table: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/

Every write is one TransactWriteItems with a request token: a try that is repeated because its answer got lost is
recognised by DynamoDB and not refused as a conflict with itself. That costs twice the write units of PutItem.
Switch the table's TTL on for the attribute `expires`; until an expired item is gone it counts as absent here.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import parse_qs

import aiohttp
from aiodynamo.client import Client
from aiodynamo.credentials import Credentials
from aiodynamo.errors import AIODynamoError, ItemNotFound, TransactionCanceled
from aiodynamo.expressions import Condition, F, HashKey, RangeKey
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.models import DecorelatedJitterRetry
from aiodynamo.operations import Delete
from aiodynamo.operations import Put as PutOperation
from yarl import URL

from forum.store.table import Conflict, Item, Put, Remove, StoreDown

_ANSWER_S = 2.0  # one try
_GIVE_UP_S = 4  # all tries of one call: less than a client's patience
_RACES = 8  # times that a transaction is begun again because another one held the same item


class DynamoStore:
    """Made by `open`; belongs to one event loop. Credentials come from the environment, as with AWS's own tools."""

    def __init__(self, *, client: Client, session: aiohttp.ClientSession, table: str) -> None:
        self._client = client
        self._session = session
        self._table = table

    @classmethod
    def open(cls, *, table: str, query: str) -> Self:
        """The table, named as in `dynamodb://TABLE?region=R[&endpoint=URL]`. Raises ValueError without a region."""
        settings = {name: values[-1] for name, values in parse_qs(query).items()}
        if not table or "region" not in settings:
            raise ValueError("a DynamoDB store is written dynamodb://TABLE?region=REGION")
        session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S))
        client = Client(
            AIOHTTP(session),
            Credentials.auto(),
            settings["region"],
            endpoint=URL(settings["endpoint"]) if "endpoint" in settings else None,
            numeric_type=int,
            throttle_config=DecorelatedJitterRetry(time_limit_secs=_GIVE_UP_S),
        )
        return cls(client=client, session=session, table=table)

    async def get(self, pk: str, sk: str) -> Item | None:
        async with _as_store_errors():
            try:
                found = await self._client.get_item(self._table, {"pk": pk, "sk": sk}, consistent_read=True)
            except ItemNotFound:
                return None
        item = _item(found)
        return None if item.expired(time.time()) else item

    async def query(self, pk: str, *, after: str | None, newest_first: bool, limit: int) -> list[Item]:
        condition: Any = HashKey("pk", pk)
        if after is not None:
            condition &= RangeKey("sk").lt(after) if newest_first else RangeKey("sk").gt(after)
        items: list[Item] = []
        start: dict[str, Any] | None = None
        async with _as_store_errors():
            while len(items) < limit:  # one answer holds 1 MB at most, which may be fewer items than asked for
                page = await self._client.query_single_page(
                    self._table,
                    condition,
                    start_key=start,
                    scan_forward=not newest_first,
                    limit=limit - len(items),
                    consistent_read=True,
                )
                items += map(_item, page.items)
                start = page.last_evaluated_key
                if start is None:
                    break
        return items

    async def write(self, *changes: Put | Remove) -> None:
        operations = [self._operation(change, int(time.time())) for change in changes]
        async with _as_store_errors():
            for race in range(_RACES):
                try:
                    await self._client.transact_write_items(operations, request_token=secrets.token_hex(16))
                except TransactionCanceled as error:
                    codes = {reason.code for reason in error.cancellation_reasons if reason}
                    if "ConditionalCheckFailed" in codes:
                        raise Conflict(str(error)) from error
                    await asyncio.sleep(secrets.randbelow(20 << race) / 1000)
                else:
                    return
        raise StoreDown("other transactions held the same item for too long")

    async def close(self) -> None:
        await self._session.close()

    def _operation(self, change: Put | Remove, now: int) -> PutOperation | Delete:
        held: Condition = F("version").equals(change.was)
        if isinstance(change, Remove):
            return Delete(self._table, {"pk": change.pk, "sk": change.sk}, held)
        item = change.item
        if change.was == 0:
            held = F("pk").does_not_exist() | F("expires").between(1, now)
        attributes: dict[str, Any] = {
            "pk": item.pk,
            "sk": item.sk,
            "body": item.body.decode(),
            "version": item.version,
        }
        if item.expires:
            attributes["expires"] = item.expires
        return PutOperation(self._table, attributes, held)


def _item(found: dict[str, Any]) -> Item:
    return Item(
        pk=found["pk"],
        sk=found["sk"],
        body=found["body"].encode(),
        version=found["version"],
        expires=found.get("expires", 0),
    )


@asynccontextmanager
async def _as_store_errors() -> AsyncIterator[None]:
    try:
        yield
    except (AIODynamoError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StoreDown(f"{type(error).__name__}: {error}") from error
