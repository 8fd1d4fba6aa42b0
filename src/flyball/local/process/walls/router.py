"""The network between the rooms of one application: a namespace with a name, so that it outlives the control plane.

It lies at /run/flyball/<application>/network and belongs to no other: its addresses are those of every application's.
Nothing of it is seen in the machine's own network: no interface, no rule, no setting. What ends it is `remove`; a
machine that starts anew has none. The balancer opens its sockets towards instances in it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flyball.core.boundary import Place

from . import inside, links, refused, rules
from .netlink import Message

Found = TypeVar("Found")
HERE = Path("/run/flyball")
DOOR = "198.18.0.1"
"""Where the rooms reach the balancer. The range is for tests between networks (RFC 2544): nobody's addresses."""
ROOMS = ipaddress.IPv4Network("198.18.0.0/15")
LINK_LOCAL = ipaddress.IPv4Network("169.254.0.0/16")  # there a cloud machine tells its keys
OUTWARD_PORT, NAMES_PORT = 15001, 53
FIRST_DATAGRAM_PORT, DATAGRAM_PORTS = 15100, 16000
# The kernel remembers each connection for 120 s after its end; 600 a second would fill its table.
FORGET_SOON = ("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait", "5")
_TABLE = "walls"
SETTINGS = (
    ("/proc/sys/net/ipv4/ip_forward", "1"),
    # A packet whose sender does not lie where it came from is dropped.
    ("/proc/sys/net/ipv4/conf/all/rp_filter", "1"),
    ("/proc/sys/net/ipv4/conf/default/rp_filter", "1"),
    FORGET_SOON,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """The rooms of one service: how their links' names begin, which stores they reach (address, port), what outside.

    `datagrams` are single places outside: (address, port), and the door's port for what goes there by UDP.
    """

    links: str
    stores: tuple[tuple[str, int], ...]
    everywhere: bool
    places: tuple[Place, ...]
    datagrams: tuple[tuple[tuple[str, int], int], ...] = ()


class Router:
    """The network of the application with this id."""

    users: Path | None = None
    """The user namespace that it belongs to; None for that of the machine."""

    def __init__(self, application_id: str, *, here: Path = HERE) -> None:
        self.path = here / application_id / "network"

    @property
    def number(self) -> int:
        """Tells this network from an earlier one of the same name; 0 when there is none."""
        return self.path.stat().st_ino if self._stands() else 0

    def _stands(self) -> bool:
        try:
            return os.stat(self.path).st_dev != os.stat(self.path.parent).st_dev  # noqa: PTH116 - it may not be there
        except FileNotFoundError:
            return False

    def make(self) -> None:
        """Make the network unless it is there. Raises OSError when the system refuses."""
        if self._stands():
            return
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.path.touch()
        _in_thread(self._found)
        self.within(self._furnish)

    def _found(self) -> None:
        inside.unshare(inside.NEW_NETWORK)
        own = f"/proc/self/task/{threading.get_native_id()}/ns/net"
        inside.mount(own.encode(), os.fsencode(self.path), b"", inside.BIND)

    def _furnish(self) -> None:
        for message in furnishing():
            inside.tell(*message.parts)
        for path, value in SETTINGS:
            Path(path).write_text(value, encoding="ascii")

    def open(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this network."""
        return self.within(lambda: socket.socket(family, kind, protocol))

    def admit(self, guests: Sequence[Guest], *, door: int) -> None:
        """Let through what is declared, and nothing else. `door` is the balancer's port for the rooms."""
        self.tell(table(guests, door=door))

    def carry(self, ports: Sequence[tuple[int, int, tuple[str, int] | None]]) -> None:
        """Take what arrives at (kind, port) of the door to where it is for. Here the balancer does that."""

    async def end_if_hung(self) -> None:
        """End who keeps it if that does not answer: then it is gone, and can be made again. Here nobody does."""

    def tell(self, message: Message) -> None:
        """Tell the kernel something about this network."""
        with self.open(socket.AF_NETLINK, socket.SOCK_RAW, message.family) as channel:
            inside.tell(*message.parts, channel=channel)

    def refused(self) -> list[refused.Entry]:
        """What was refused in the last hour. Raises OSError."""
        with self.open(socket.AF_NETLINK, socket.SOCK_RAW, rules.NETFILTER) as channel:
            return list(refused.entries(inside.ask(channel, refused.question(_TABLE))))

    def within(self, work: Callable[[], Found]) -> Found:
        """Do something in this network: what it opens stays there. It must not wait."""
        return within(self.path, work)

    def remove(self) -> None:
        """Take it away; what still runs in a room reaches nobody then."""
        while self._stands():
            inside.unmount(os.fsencode(self.path))
        self.path.unlink(missing_ok=True)
        for directory in (self.path.parent, self.path.parent.parent):
            with contextlib.suppress(OSError):  # not there, or another application's
                directory.rmdir()


def furnishing() -> list[Message]:
    """What the new network is told."""
    # What leads nowhere goes there, too: only what has a way comes to the rules, and is told.
    return [links.up(links.LOOPBACK), links.address(links.LOOPBACK, DOOR), links.everything_on(links.LOOPBACK)]


def within(network: Path, work: Callable[[], Found]) -> Found:
    """Do something in the network of this file."""

    def entered() -> Found:
        descriptor = os.open(network, os.O_RDONLY)
        try:
            inside.enter(descriptor, inside.NEW_NETWORK)
        finally:
            os.close(descriptor)
        return work()

    return _in_thread(entered)


def table(guests: Sequence[Guest], *, door: int) -> Message:
    """The rules of the network, in one piece."""
    beside = [rule for guest in guests for rule in _stores(guest)]
    arriving = [rule for guest in guests for rule in _doors(guest, door)]
    outward = [rule for guest in guests for rule in _outward(guest)]
    return rules.table(
        _TABLE,
        [
            rules.prerouting(outward),
            rules.arriving([_answers(), *arriving, *_refused()]),
            rules.passing([_answers(), *beside, *_refused()]),
        ],
        [refused.empty_set(_TABLE)],
    )


def _refused() -> list[bytes]:
    return [refused.noted(rules.TCP), refused.noted(rules.UDP), rules.rule_of(rules.refuse())]


def _answers() -> bytes:
    return rules.rule_of(rules.known(), rules.accept())


def _from(guest: Guest) -> bytes:
    return rules.from_interface(guest.links, beginning=True)


def _stores(guest: Guest) -> Iterator[bytes]:
    for address, port in guest.stores:
        there = rules.within(ipaddress.IPv4Network(address))
        yield rules.rule_of(_from(guest), there, rules.protocol(rules.TCP), rules.port_is(port), rules.accept())


def _doors(guest: Guest, door: int) -> Iterator[bytes]:
    """The balancer; who may go outside also asks for names there, and goes through it."""
    ports = [(rules.TCP, door)]
    if guest.everywhere or any(place.network is not None for place in guest.places):
        ports += [(rules.TCP, OUTWARD_PORT), (rules.TCP, NAMES_PORT), (rules.UDP, NAMES_PORT)]
    own = [place.port for place in guest.places if place.network is None and place.port is not None]
    ports += [(protocol, port) for port in own for protocol in (rules.TCP, rules.UDP)]
    ports += [(rules.UDP, port) for _, port in guest.datagrams]
    at_door = rules.within(ipaddress.IPv4Network(DOOR))
    for protocol, port in ports:
        yield rules.rule_of(_from(guest), at_door, rules.protocol(protocol), rules.port_is(port), rules.accept())


def _outward(guest: Guest) -> Iterator[bytes]:
    """What goes outside goes to the balancer, which connects from the machine's own network."""
    if guest.everywhere:
        yield rules.rule_of(_from(guest), *_elsewhere(), rules.protocol(rules.TCP), rules.sent_to(DOOR, OUTWARD_PORT))
    for place in guest.places:
        if place.network is not None:
            port = [] if place.port is None else [rules.port_is(place.port)]
            there = [rules.within(place.network), *_elsewhere(), rules.protocol(rules.TCP), *port]
            yield rules.rule_of(_from(guest), *there, rules.sent_to(DOOR, OUTWARD_PORT))
    for (address, number), door in guest.datagrams:
        there = [rules.within(ipaddress.IPv4Network(address)), *_elsewhere(), rules.protocol(rules.UDP)]
        yield rules.rule_of(_from(guest), *there, rules.port_is(number), rules.sent_to(DOOR, door))


def _elsewhere() -> list[bytes]:
    return [rules.within(ROOMS, not_=True), rules.within(LINK_LOCAL, not_=True)]


def _in_thread(work: Callable[[], Found]) -> Found:
    """Do it in a thread of its own, which ends in the namespace that it has entered."""
    found: list[Found] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]
