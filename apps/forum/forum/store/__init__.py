"""Where the forum keeps its items: SQLite or DynamoDB, behind one protocol."""

from __future__ import annotations

from urllib.parse import urlsplit

from forum.store.dynamodb import DynamoStore
from forum.store.sqlite import SqliteStore
from forum.store.table import Conflict, Item, Put, Remove, Store, StoreDown

__all__ = ["Conflict", "Item", "Put", "Remove", "Store", "StoreDown", "open_store"]


async def open_store(url: str) -> Store:
    """The store behind `sqlite:///ABSOLUTE/PATH` or `dynamodb://TABLE?region=R[&endpoint=URL]`.

    Raises ValueError for any other address.
    """
    parts = urlsplit(url)
    match parts.scheme:
        case "sqlite":
            return await SqliteStore.open(parts.path)
        case "dynamodb":
            return DynamoStore.open(table=parts.netloc, query=parts.query)
    raise ValueError(f"not a store this forum knows: {parts.scheme}://")
