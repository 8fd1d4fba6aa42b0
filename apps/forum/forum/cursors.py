"""Where a list goes on: an opaque text that only this forum can make.

It carries a position and a MAC over the position and the list it belongs to, so that a cursor that was changed, or is
used with another filter or order, is refused. The key lies in the store: every instance has the same, for ever.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress

import msgspec

from forum.store import Conflict, Item, Put, Store

_MAC_BYTES = 12
_PK, _SK = "settings", "cursor-key"


class Cursors:
    """Makes and reads cursors with the key that lies in `store`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key: bytes | None = None

    async def make(self, scope: str, position: str) -> str:
        """A cursor for what comes behind `position` in the list `scope`."""
        mac = _mac(await self._load(), scope, position)
        return _text(mac + position.encode())

    async def read(self, scope: str, cursor: str) -> str | None:
        """The position, or None when `cursor` was not made for this list."""
        try:
            raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            mac, position = raw[:_MAC_BYTES], raw[_MAC_BYTES:].decode()
        except ValueError:
            return None
        if _text(raw) != cursor:  # base64 has several texts for the same bytes: only ours is a cursor
            return None
        return position if hmac.compare_digest(mac, _mac(await self._load(), scope, position)) else None

    async def _load(self) -> bytes:
        if self._key is None:
            self._key = await _shared_key(self._store)
        return self._key


async def _shared_key(store: Store) -> bytes:
    item = await store.get(_PK, _SK)
    if item is None:
        made = Item(pk=_PK, sk=_SK, body=msgspec.json.encode(secrets.token_hex(32)))
        with suppress(Conflict):  # another instance was first: its key counts
            await store.write(Put(item=made))
        item = await store.get(_PK, _SK)
    assert item is not None
    return bytes.fromhex(msgspec.json.decode(item.body, type=str))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _mac(key: bytes, scope: str, position: str) -> bytes:
    return hmac.digest(key, f"{scope}\0{position}".encode(), hashlib.sha256)[:_MAC_BYTES]
