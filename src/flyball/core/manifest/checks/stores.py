"""Rules of stores: which keys each kind has."""

from __future__ import annotations

from collections.abc import Iterator

from flyball.core.manifest.complaints import Path, Unplaced
from flyball.core.manifest.schema import FileTable, StoreTable
from flyball.core.model import StoreKind

_KIND_OF_KEY = {
    "key": StoreKind.TABLE,
    "ttl": StoreKind.TABLE,
    "replicas": StoreKind.REDIS,
    "archive_after": StoreKind.BUCKET,
}


def store_complaints(file: FileTable) -> Iterator[Unplaced]:
    """Complaints about all stores, and about a log retention that is not in whole days."""
    for name, store in (file.stores or {}).items():
        yield from _store(("stores", name), store)
    retention = file.observe.log_retention if file.observe else None
    if retention is not None and retention % 86400:
        yield Unplaced(path=("observe", "log_retention"), message='must be whole days such as "30d"')


def _store(at: Path, store: StoreTable) -> Iterator[Unplaced]:
    for key, kind in _KIND_OF_KEY.items():
        if getattr(store, key) is not None and store.kind is not kind:
            yield Unplaced(
                path=(*at, key), message=f"is for kind `{kind}`, not `{store.kind}`", on_key=True, also=((*at, "kind"),)
            )
    if store.kind is StoreKind.TABLE and store.key is None:
        yield Unplaced(path=at, message="a table needs a key", hint='such as key = { id = "string" }', on_key=True)
    if store.archive_after is not None and store.archive_after % 86400:
        yield Unplaced(path=(*at, "archive_after"), message='must be whole days such as "90d"')
