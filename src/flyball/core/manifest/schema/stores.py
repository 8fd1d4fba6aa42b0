"""The `[stores.NAME]` tables."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from flyball.core.model import KeyField, KeyType, Store, StoreKind

from .base import Duration, Lax, Table, key, must, required, span

# DynamoDB's attribute names may be anything; these can also be column names as they are.
Attribute = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"),
    must("be an attribute name such as created_at: letters, digits and _"),
]


class StoreTable(Table):
    """A data service; services that use it get its address as NAME_URL."""

    kind: Annotated[StoreKind, Lax] = required(
        "table (SQLite here, DynamoDB on AWS), redis (ElastiCache), bucket (a directory, S3)"
    )
    ttl: Attribute | None = key(
        "of a table on AWS: the attribute, a number, that says when DynamoDB may delete a row, in seconds since 1970",
        to="ttl",
    )
    replicas: Annotated[int, Field(ge=0, le=5)] | None = key(
        "of redis on AWS: copies beside the primary", to="replicas"
    )
    archive_after: Annotated[Duration, span("1d", "3650d")] | None = key(
        'of a bucket on AWS: when objects move to Glacier (still readable at once), in whole days such as "90d"',
        to="archive_after_s",
    )
    # The last key: its name hides the function.
    key: Annotated[dict[Attribute, Annotated[KeyType, Lax]], Field(min_length=1, max_length=2)] | None = key(
        'of a table: partition key, then perhaps sort key: { board = "string", posted = "string" }'
    )
    model: ClassVar[type | None] = Store

    def resolve(self, name: str) -> Store:
        """The store."""
        found: dict[str, Any] = self.given()
        fields = tuple(KeyField(name=part, type=kind) for part, kind in (self.key or {}).items())
        return Store(**found, name=name, kind=self.kind, key=fields)
