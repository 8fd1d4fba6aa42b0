"""Data services an application needs. The app sees one URL per store, the same variable here and on AWS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StoreKind(StrEnum):
    """table: SQLite here, DynamoDB there. redis: a real server, ElastiCache. bucket: a directory, S3."""

    TABLE = "table"
    REDIS = "redis"
    BUCKET = "bucket"


class KeyType(StrEnum):
    """Types a table key can have (DynamoDB's S and N)."""

    STRING = "string"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyField:
    """One part of a table's key: first the partition key, then the optional sort key."""

    name: str
    type: KeyType = KeyType.STRING


def variable(store: str) -> str:
    """Name of the environment variable that carries a store's URL."""
    return store.upper().replace("-", "_") + "_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """`key` and `ttl` are for tables only. `ttl` names the attribute that says when a row is gone (seconds since 1970).

    `replicas` (redis on AWS) beside the primary; `archive_after_s` (bucket) to Glacier.
    """

    name: str
    kind: StoreKind
    key: tuple[KeyField, ...] = ()
    ttl: str | None = None
    replicas: int = 1
    archive_after_s: float | None = None

    @property
    def variable(self) -> str:
        """Name of the environment variable that carries the store's URL, such as `MESSAGES_URL`."""
        return variable(self.name)
