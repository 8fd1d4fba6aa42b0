"""Data services. An application sees one URL per store, in the same variable here and on AWS."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StoreKind(StrEnum):
    """table: SQLite here, DynamoDB on AWS. redis: a real server, ElastiCache. bucket: a directory, S3."""

    TABLE = "table"
    REDIS = "redis"
    BUCKET = "bucket"


class KeyType(StrEnum):
    """The types of a table key: DynamoDB's S and N."""

    STRING = "string"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyField:
    """One part of a table's key: the partition key, or the optional sort key after it."""

    name: str
    type: KeyType = KeyType.STRING


def variable(store: str) -> str:
    """The name of the environment variable with a store's URL."""
    return store.upper().replace("-", "_") + "_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A data service. Tables have `key` and `ttl`, the attribute with a row's expiry in seconds since 1970.

    With regions, `replicate` brings what one of them writes to all the others.
    On AWS, redis has `replicas` beside its primary, and a bucket's objects move to Glacier after `archive_after_s`.
    """

    name: str
    kind: StoreKind
    key: tuple[KeyField, ...] = ()
    ttl: str | None = None
    replicas: int = 1
    archive_after_s: float | None = None
    replicate: bool = False

    @property
    def variable(self) -> str:
        """The name of the environment variable with the store's URL, such as `MESSAGES_URL`."""
        return variable(self.name)
