"""Interfaces, addresses and routes of rooms, as messages to the kernel. Pure.

https://man7.org/linux/man-pages/man7/rtnetlink.7.html
"""

from __future__ import annotations

import errno
import socket
import struct

from .inside import ROOM_FD
from .netlink import ACKNOWLEDGE, CREATE, EXCLUSIVE, REQUEST, Message, attribute, header, nested, text

ROUTE = 0  # NETLINK_ROUTE
NEW_LINK, DELETE_LINK, NEW_ADDRESS, NEW_ROUTE = 16, 17, 20, 24
UP = 1
NAME, LINK_INFO, INFO_KIND, INFO_DATA, PEER, NETWORK_FD = 3, 18, 1, 2, 1, 28
MADE = REQUEST | ACKNOWLEDGE | CREATE | EXCLUSIVE
LOOPBACK, ROOM_END = 1, 2
"""The numbers of a room's two interfaces."""
ROOM_NAME = "eth0"
# Packets are as large as on localhost: an answer of 5 KB is one packet. With 1,500 bytes a program had a third less
# capacity.
_LARGEST = attribute(4, struct.pack("=I", 65_535))
TABLE_MAIN, STATIC, EVERYWHERE, THIS_LINK, UNICAST = 254, 4, 0, 253, 1


def wire(name: str, index: int) -> tuple[Message, ...]:
    """For the router: a link from it to the room, in place of an earlier one of that name."""
    there = attribute(NETWORK_FD, struct.pack("=I", ROOM_FD))
    peer = _interface(ROOM_END, 0) + attribute(NAME, text(ROOM_NAME)) + _LARGEST + there
    kind = nested(LINK_INFO, attribute(INFO_KIND, b"veth"), nested(INFO_DATA, nested(PEER, peer)))
    gone = header(DELETE_LINK, REQUEST | ACKNOWLEDGE, _interface(0, 0) + attribute(NAME, text(name)))
    made = header(NEW_LINK, MADE, _interface(index, UP) + attribute(NAME, text(name)) + _LARGEST + kind)
    return Message(ROUTE, gone, tolerated=(errno.ENODEV,)), Message(ROUTE, made)


def up(index: int) -> Message:
    """An interface goes up."""
    return Message(ROUTE, header(NEW_LINK, REQUEST | ACKNOWLEDGE, _interface(index, UP)))


def address(index: int, value: str) -> Message:
    """An interface has an address, this one alone."""
    body = struct.pack("=BBBBi", socket.AF_INET, 32, 0, 0, index)
    own = socket.inet_aton(value)
    made = header(NEW_ADDRESS, MADE, body + attribute(2, own) + attribute(1, own))
    return Message(ROUTE, made, tolerated=(errno.EEXIST,))


def to(value: str, index: int, *, source: str) -> Message:
    """An address lies behind an interface; what is sent there comes from `source`."""
    return _route(32, THIS_LINK, attribute(1, socket.inet_aton(value)), index, attribute(7, socket.inet_aton(source)))


def everything_to(gateway: str, index: int) -> Message:
    """All other addresses lie behind the gateway."""
    return _route(0, EVERYWHERE, b"", index, attribute(5, socket.inet_aton(gateway)))


def everything_on(index: int) -> Message:
    """All other addresses lie on an interface itself."""
    return _route(0, THIS_LINK, b"", index, b"")


def _route(length: int, scope: int, destination: bytes, index: int, more: bytes) -> Message:
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, length, 0, 0, TABLE_MAIN, STATIC, scope, UNICAST, 0)
    made = header(NEW_ROUTE, MADE, body + destination + attribute(4, struct.pack("=I", index)) + more)
    return Message(ROUTE, made, tolerated=(errno.EEXIST,))


def _interface(index: int, flags: int) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)
