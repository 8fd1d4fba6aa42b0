"""The `[stores.NAME]` tables."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from flyball.core.model import KeyField, KeyType, Store, StoreKind

from .base import Duration, Lax, Table, Text, key, required, span

# DynamoDB allows any attribute name; these are also valid column names.
Attribute = Annotated[
    str, Text(r"^[A-Za-z_][A-Za-z0-9_]{0,62}$", "be an attribute name such as created_at: letters, digits and _")
]


class StoreTable(Table):
    """A data service; services that use it get its address as NAME_URL."""

    kind: Annotated[StoreKind, Lax] = required(
        "table (SQLite here, DynamoDB on AWS), redis (ElastiCache), bucket (a directory, S3)"
    )
    ttl: Attribute | None = key(
        "of a table on AWS: the number attribute with a row's expiry in seconds since 1970; DynamoDB then deletes it",
        to="ttl",
    )
    replicas: Annotated[int, Field(ge=0, le=5)] | None = key(
        "of redis on AWS: copies besides the primary", to="replicas"
    )
    archive_after: Annotated[Duration, span("1d", "3650d")] | None = key(
        'of a bucket on AWS: when objects move to Glacier (still readable at once), in whole days such as "90d"',
        to="archive_after_s",
    )
    replicate: bool | None = key(
        "with regions, of a bucket or table: what one region writes reaches all; the last writer wins",
        to="replicate",
    )
    # Last, because its name hides the function.
    key: Annotated[dict[Attribute, Annotated[KeyType, Lax]], Field(min_length=1, max_length=2)] | None = key(
        'of a table: the partition key, and optionally a sort key: { board = "string", posted = "string" }'
    )
    model: ClassVar[type | None] = Store

    def resolve(self, name: str) -> Store:
        """The store."""
        found = self.given()
        fields = tuple(KeyField(name=part, type=kind) for part, kind in (self.key or {}).items())
        return Store(**found, name=name, kind=self.kind, key=fields)
