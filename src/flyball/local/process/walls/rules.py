"""What netfilter lets through, as messages to the kernel: a room's own rule, and those of the router. Pure.

Made here and not by the program `nft`, which a machine need not have. `nft list ruleset` in a namespace shows them.
https://docs.kernel.org/networking/netfilter/, https://wiki.nftables.org/wiki-nftables/index.php/Portal:DeveloperDocs
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .netlink import ACKNOWLEDGE, APPEND, CREATE, REQUEST, Message, attribute, header, nested, number, text

NETFILTER = 12
SUBSYSTEM = 10
_TABLE, _NO_TABLE, _CHAIN, _RULE = 0, 2, 3, 6
_INET = 1
_BEGIN, _END = 16, 17
ACCEPT, DROP = 1, 0
_PREROUTING, _INPUT, _FORWARD = 0, 1, 2
_EQUAL, _DIFFERENT = 0, 1
TCP, UDP = 6, 17
_IIFNAME, _NFPROTO, _L4PROTO = 6, 15, 16
_KNOWN = struct.pack("=I", 2 | 4)  # of a connection that was let through, or belongs to one


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules at one place of a packet's way, and what becomes of a packet that none of them takes."""

    name: str
    hook: int
    kind: str
    priority: int
    policy: int
    rules: tuple[bytes, ...]


def table(
    name: str, chains: Sequence[Chain], sets: Sequence[tuple[int, bytes]] = (), *, first: bool = False
) -> Message:
    """A table as it shall be, in place of an earlier one of that name, all at once. A set is its kind and body.

    `first`: there is no earlier one. To take one away the kernel waits for all its cores, about 10 ms.
    """
    made = attribute(1, text(name))
    parts = [_message(_TABLE, CREATE, made)]
    if not first:
        parts += [_message(_NO_TABLE, 0, made), _message(_TABLE, CREATE, made)]
    parts += [_message(kind, CREATE, body) for kind, body in sets]
    for chain in chains:
        hook = nested(4, attribute(1, number(chain.hook)), attribute(2, struct.pack(">i", chain.priority)))
        named = made + attribute(3, text(chain.name)) + hook
        parts.append(
            _message(_CHAIN, CREATE, named + attribute(5, number(chain.policy)) + attribute(7, text(chain.kind)))
        )
        rule = made + attribute(2, text(chain.name))
        parts += [_message(_RULE, CREATE | APPEND, rule + nested(4, each)) for each in chain.rules]
    group = struct.pack(">BBH", 0, 0, SUBSYSTEM)
    return Message(
        NETFILTER, b"".join([header(_BEGIN, REQUEST, group), *parts, header(_END, REQUEST, group)]), len(parts)
    )


def _message(kind: int, flags: int, body: bytes) -> bytes:
    return header(SUBSYSTEM << 8 | kind, REQUEST | ACKNOWLEDGE | flags, struct.pack(">BBH", _INET, 0, 0) + body)


def to_own_localhost(port: int) -> Message:
    """For a room: what comes for the port goes to its 127.0.0.1, where most programs listen."""
    rule = rule_of(from_interface("eth0"), protocol(TCP), port_is(port), sent_to("127.0.0.1"))
    return table("room", [prerouting((rule,))], first=True)


def prerouting(rules: Iterable[bytes]) -> Chain:
    """Where a packet's destination can still be changed."""
    return Chain("prerouting", _PREROUTING, "nat", -100, ACCEPT, tuple(rules))


def arriving(rules: Iterable[bytes]) -> Chain:
    """What is for the namespace itself: only what a rule accepts."""
    return Chain("input", _INPUT, "filter", 0, DROP, tuple(rules))


def passing(rules: Iterable[bytes]) -> Chain:
    """What goes from one room to another: only what a rule accepts."""
    return Chain("forward", _FORWARD, "filter", 0, DROP, tuple(rules))


def rule_of(*parts: bytes) -> bytes:
    """One rule: each part must hold, the last says what happens."""
    return b"".join(parts)


def known() -> bytes:
    """Answers, and what belongs to a connection that was let through."""
    return (
        expression("ct", attribute(1, number(1)), attribute(2, number(0)))
        + _masked(_KNOWN)
        + _compare(b"\0\0\0\0", _DIFFERENT)
    )


def from_interface(name: str, *, beginning: bool = False) -> bytes:
    """What comes in by the interface, or by each whose name begins so."""
    wanted = name.encode()
    return meta(_IIFNAME) + _compare(wanted if beginning else wanted.ljust(16, b"\0"))


def protocol(value: int) -> bytes:
    """TCP or UDP."""
    return meta(_L4PROTO) + _compare(bytes([value]))


def port_is(port: int) -> bytes:
    """The destination's port."""
    return payload(2, 2, 2) + _compare(struct.pack(">H", port))


def within(network: ipaddress.IPv4Network, *, not_: bool = False) -> bytes:
    """The destination's address, within a range or not."""
    mask, base = network.netmask.packed, network.network_address.packed
    return from_family() + payload(1, 16, 4) + _masked(mask) + _compare(base, _DIFFERENT if not_ else _EQUAL)


def accept() -> bytes:
    """Let through."""
    return _immediate(0, nested(2, attribute(1, number(ACCEPT))))


def refuse() -> bytes:
    """Count it and say at once that it is forbidden: who asked need not wait."""
    counted = expression("counter", attribute(1, b"\0" * 8), attribute(2, b"\0" * 8))
    return counted + expression("reject", attribute(1, number(2)), attribute(2, b"\3"))


def sent_to(address: str, port: int | None = None) -> bytes:
    """Change the destination."""
    parts = [attribute(1, number(1)), attribute(2, number(socket.AF_INET)), attribute(3, number(1))]
    loaded = _immediate(1, attribute(1, socket.inet_aton(address)))
    if port is not None:
        loaded += _immediate(2, attribute(1, struct.pack(">H", port)))
        parts.append(attribute(5, number(2)))
    return loaded + expression("nat", *parts)


def from_family() -> bytes:
    """IPv4."""
    return meta(_NFPROTO) + _compare(bytes([socket.AF_INET]))


def meta(key: int, *, into: int = 1) -> bytes:
    """Load what is known of a packet into a register."""
    return expression("meta", attribute(1, number(into)), attribute(2, number(key)))


def payload(base: int, offset: int, length: int, *, into: int = 1) -> bytes:
    """Load a part of a packet into a register: of its network header (1) or transport header (2)."""
    parts = (attribute(kind, number(value)) for kind, value in ((1, into), (2, base), (3, offset), (4, length)))
    return expression("payload", *parts)


def _compare(value: bytes, how: int = _EQUAL) -> bytes:
    return expression("cmp", attribute(1, number(1)), attribute(2, number(how)), nested(3, attribute(1, value)))


def _masked(mask: bytes) -> bytes:
    parts = (attribute(kind, number(value)) for kind, value in ((1, 1), (2, 1), (3, len(mask))))
    zero = attribute(1, b"\0" * len(mask))
    return expression("bitwise", *parts, nested(4, attribute(1, mask)), nested(5, zero))


def _immediate(register: int, data: bytes) -> bytes:
    return expression("immediate", attribute(1, number(register)), nested(2, data))


def expression(name: str, *attributes: bytes) -> bytes:
    """One part of a rule."""
    return nested(1, attribute(1, text(name)), nested(2, *attributes))
