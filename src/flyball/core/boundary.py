"""Who may reach whom, by the file alone: every path between visitors, services, stores, the control plane and outside.

A path is open only because the file says so: a visitor reaches the balancer, the balancer the services, a service the
stores that it names. Here `open` is also what nothing closes: without a closed boundary one service's instance runs as
the same user, in the same network, as another's. On AWS the same lines are security groups and roles.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from flyball.core.model import Application, Boundary, Service, Store, StoreKind

VISITOR, OTHER_USER, INTERNET = "visitor", "other-user", "internet"
BALANCER, CONTROL_PLANE = "balancer", "control-plane"
HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One path, and whether it is `declared` open."""

    start: str
    end: str
    declared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One entry of `egress`: a range of addresses, or the machine itself (None), and a port (None: every one)."""

    network: ipaddress.IPv4Network | None
    port: int | None

    @property
    def single(self) -> tuple[str, int] | None:
        """Its address and port, if it names exactly one address with a port."""
        network = self.network
        return None if network is None or network.prefixlen < 32 or not self.port else (str(network[0]), self.port)


def ways(app: Application) -> tuple[Way, ...]:
    """Every path of an application, in the order of the file."""
    return (*_of_outsiders(app), *(way for service in app.services for way in _of_service(app, service)))


def _of_outsiders(app: Application) -> Iterator[Way]:
    unguarded = app.boundary is Boundary.OPEN
    for start in (VISITOR, OTHER_USER, INTERNET):
        here = start != INTERNET
        yield Way(start=start, end=BALANCER, declared=here)
        for service in app.services:
            yield Way(start=start, end=service.name, declared=here and unguarded)
        for store in app.stores:
            yield Way(start=start, end=_named(store), declared=here and unguarded and store.kind is StoreKind.REDIS)
        yield Way(start=start, end=CONTROL_PLANE, declared=False)


def _of_service(app: Application, service: Service) -> Iterator[Way]:
    unguarded = app.boundary is Boundary.OPEN
    yield Way(start=service.name, end=BALANCER, declared=True)
    for other in app.services:
        yield Way(start=service.name, end=other.name, declared=unguarded)
    for store in app.stores:
        yield Way(start=service.name, end=_named(store), declared=unguarded or store.name in service.stores)
    yield Way(start=service.name, end=CONTROL_PLANE, declared=unguarded)
    everywhere = service.egress.everywhere or "0.0.0.0/0" in service.egress.to
    yield Way(start=service.name, end=INTERNET, declared=unguarded or everywhere)


def _named(store: Store) -> str:
    return f"store:{store.name}"


def place(text: str) -> Place:
    """What an entry of `egress` names. Raises ValueError when it names nothing."""
    address, colon, number = text.partition(":")
    port = int(number) if colon else None
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(text)
    if address == HOST and port is not None:
        return Place(network=None, port=port)
    return Place(network=ipaddress.IPv4Network(address), port=port)


def is_place(text: str) -> bool:
    """Whether an entry of `egress` names something."""
    try:
        place(text)
    except ValueError:
        return False
    return True
