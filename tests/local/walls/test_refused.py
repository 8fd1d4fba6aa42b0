"""What the kernel says it has refused, read from an answer of its."""

import struct

from flyball.local.process.walls import refused
from flyball.local.process.walls.netlink import attribute, attributes, header, nested

KEY = b"w3-17".ljust(16, b"\0") + bytes([10, 1, 2, 3]) + struct.pack(">HH", 5432, 0)


def element(key: bytes, count: int) -> bytes:
    counter = nested(2, attribute(1, struct.pack(">Q", 60 * count)), attribute(2, struct.pack(">Q", count)))
    return nested(1, nested(1, attribute(1, key)), nested(7, attribute(1, b"counter\0"), counter))


def test_entries_are_read_from_all_messages():
    family = struct.pack(">BBH", 1, 0, 0)
    parts = family + attribute(1, b"walls\0") + nested(3, element(KEY, 4), element(b"s2".ljust(24, b"\0"), 1))
    answer = header(0x0A00 | refused.ENTRIES, 0, parts) + header(3, 0, b"\0\0\0\0")
    first, second = refused.entries(answer)
    assert first == refused.Entry("w3-17", "10.1.2.3", 5432, 4)
    assert (second.link, second.count) == ("s2", 1)
    assert list(refused.entries(header(3, 0, b"\0\0\0\0"))) == []


def test_attributes_are_read_as_they_are_written():
    assert list(attributes(attribute(1, b"abc") + nested(2, attribute(3, b"x")))) == [
        (1, b"abc"),
        (2, attribute(3, b"x")),
    ]
