"""Messages to the kernel as bytes. Pure: nothing is sent here.

https://docs.kernel.org/userspace-api/netlink/intro.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

REQUEST, ACKNOWLEDGE = 1, 4
DUMP = 0x300
EXCLUSIVE, CREATE, APPEND = 0x200, 0x400, 0x800
NESTED = 0x8000


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent at once to one family, how many answers come, and which errors are none."""

    family: int
    content: bytes
    answers: int = 1
    tolerated: tuple[int, ...] = ()

    @property
    def parts(self) -> tuple[int, bytes, int, tuple[int, ...]]:
        """The arguments of `inside.tell`."""
        return self.family, self.content, self.answers, self.tolerated


def header(kind: int, flags: int, body: bytes, *, number: int = 1) -> bytes:
    """A whole message."""
    return struct.pack("=IHHII", 16 + len(body), kind, flags, number, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute that holds attributes."""
    return attribute(kind | NESTED, b"".join(attributes))


def attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The kinds and values of attributes one after the other."""
    while len(content) >= 4:
        length, kind = struct.unpack_from("=HH", content)
        yield kind & ~NESTED, content[4:length]
        content = content[(length + 3) & ~3 :]


def text(value: str) -> bytes:
    """A string as the kernel has it."""
    return value.encode() + b"\0"


def number(value: int) -> bytes:
    """A number in network order, as netfilter has it."""
    return struct.pack(">I", value)
