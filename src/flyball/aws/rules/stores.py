"""Rules of stores."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flyball.core.model import Application, Store, StoreKind

CACHE_NAME = re.compile(r"[a-z]([a-z0-9]|-(?!-))*(?<!-)")
OUR_BUCKETS = ("artifacts", "logs", "releases")
ACCOUNT = "123456789012"


def of_store(app: Application, store: Store) -> Iterator[str]:
    """What DynamoDB, ElastiCache and S3 accept."""
    where, name = f"stores.{store.name}", f"{app.name}-{store.name}"
    match store.kind:
        case StoreKind.TABLE:
            yield from _of_table(store, where)
        case StoreKind.REDIS:
            yield from _of_redis(app, store, where, name)
        case StoreKind.BUCKET:
            yield from _of_bucket(app, store, where, name)


def _of_table(store: Store, where: str) -> Iterator[str]:
    if not 1 <= len(store.key) <= 2:
        yield f"{where}.key: {len(store.key)} fields; a table's key has one or two; CreateTable would fail"
    if len({field.name for field in store.key}) != len(store.key):
        yield f"{where}.key: a field is repeated; CreateTable would fail"


def _of_redis(app: Application, store: Store, where: str, name: str) -> Iterator[str]:
    if len(name) > 40 or not CACHE_NAME.fullmatch(name):
        yield f"{where}: {name!r}; ElastiCache accepts at most 40 lower-case letters, digits and single hyphens"
    if not 0 <= store.replicas <= 5:
        yield f"{where}.replicas: {store.replicas}; ElastiCache accepts 0 to 5"
    if not any(store.name in service.stores for service in app.services):
        yield f"{where}: no service uses it; nothing could reach it, but it would still cost money"


def _of_bucket(app: Application, store: Store, where: str, name: str) -> Iterator[str]:
    assert app.aws is not None
    if store.name in OUR_BUCKETS:
        yield f"{where}: Flyball has a bucket of that name for its own {store.name}; call the store something else"
    for region in app.region_names:
        whole = f"{name}-{ACCOUNT}-{region}"
        if len(whole) > 63 or not CACHE_NAME.fullmatch(name):
            yield f"{where}: {name!r} with account and region has {len(whole)} characters; CreateBucket accepts 63"
    if store.archive_after_s is not None and store.archive_after_s < 86400:
        yield f"{where}.archive_after: {store.archive_after_s:g} s; S3 counts whole days, at least one"
