"""What the network between rooms has refused: kept by the kernel in a set, read from time to time. Pure.

An entry is the link that it came from, the address and the port that it was for, and how often.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .netlink import DUMP, REQUEST, attribute, attributes, header, nested, number, text
from .rules import SUBSYSTEM, expression, from_family, meta, payload, protocol

SET = "refused"
_MOST = 1024
_LASTING_MS = 3_600_000
_NEW_SET, _GET_ENTRIES, ENTRIES = 9, 13, 12
_EVALUATED, _WITH_TIMEOUT = 0x20, 0x10
_TYPES = (41 << 12) | (7 << 6) | 13  # as `nft` names them: ifname . ipv4_addr . inet_service
_NAME_BYTES, _KEY_BYTES = 16, 24
_LINK, _ADDRESS, _PORT = 1, 12, 13  # registers: the first 16 bytes, and the two words after them


@dataclass(frozen=True, slots=True)
class Entry:
    """So many packets that came by `link` for `address`:`port`."""

    link: str
    address: str
    port: int
    count: int


def empty_set(table: str) -> tuple[int, bytes]:
    """The message that makes the set: its kind and body."""
    values = ((3, _EVALUATED | _WITH_TIMEOUT), (4, _TYPES), (5, _KEY_BYTES), (10, 1))
    parts = b"".join(attribute(kind, number(value)) for kind, value in values)
    bounds = nested(9, attribute(1, number(_MOST))) + attribute(11, struct.pack(">Q", _LASTING_MS))
    return _NEW_SET, attribute(1, text(table)) + attribute(2, text(SET)) + parts + bounds


def noted(kind: int) -> bytes:
    """A rule that keeps what comes to it, of TCP or UDP."""
    key = meta(6, into=_LINK) + payload(1, 16, 4, into=_ADDRESS) + payload(2, 2, 2, into=_PORT)
    counter = nested(7, attribute(1, text("counter")), nested(2))
    kept = expression(
        "dynset",
        attribute(1, text(SET)),
        attribute(2, number(1)),
        attribute(3, number(1)),
        attribute(4, number(_LINK)),
        attribute(6, struct.pack(">Q", _LASTING_MS)),
        counter,
    )
    return from_family() + protocol(kind) + key + kept


def question(table: str) -> bytes:
    """The message that asks for the entries."""
    body = struct.pack(">BBH", 1, 0, 0) + attribute(1, text(table)) + attribute(2, text(SET))
    return header(SUBSYSTEM << 8 | _GET_ENTRIES, REQUEST | DUMP, body)


def entries(messages: bytes) -> Iterator[Entry]:
    """The entries of an answer."""
    while len(messages) >= 16:
        length, kind = struct.unpack_from("=IH", messages)
        if kind == SUBSYSTEM << 8 | ENTRIES:
            for element in attributes(dict(attributes(messages[20:length]))[3]):
                yield _entry(dict(attributes(element[1])))
        messages = messages[(length + 3) & ~3 :]


def _entry(parts: dict[int, bytes]) -> Entry:
    key = dict(attributes(parts[1]))[1]
    counted = dict(attributes(dict(attributes(parts[7]))[2]))
    return Entry(
        link=key[:_NAME_BYTES].rstrip(b"\0").decode(),
        address=socket.inet_ntoa(key[_NAME_BYTES : _NAME_BYTES + 4]),
        port=int.from_bytes(key[_NAME_BYTES + 4 : _NAME_BYTES + 6], "big"),
        count=int.from_bytes(counted[2], "big"),
    )
