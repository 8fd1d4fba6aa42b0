"""What lies outside the walls and is named in the file: ports of this machine, the trace collector, who knows names."""

from __future__ import annotations

import ipaddress
import socket
import zlib
from pathlib import Path
from urllib.parse import urlsplit

from flyball.core.boundary import place
from flyball.core.model import Application

from .router import DATAGRAM_PORTS, DOOR, FIRST_DATAGRAM_PORT, NAMES_PORT, OUTWARD_PORT

_PORTS = {"http": 80, "https": 443}


def host_ports(app: Application) -> tuple[int, ...]:
    """Ports of this machine's localhost that some service may use, and the collector's."""
    places = [place(text) for service in app.services for text in service.egress.to]
    found = {each.port for each in places if each.network is None and each.port is not None}
    return tuple(sorted(found | set(collector_ports(app))))


def datagrams(app: Application) -> dict[tuple[str, int], int]:
    """Single addresses with a port that some service may use, and the door's port for what goes there by UDP.

    A UDP packet does not show where it was meant to go, as a connection does, so each such place has its own port. It
    keeps that port while other places come and go: the kernel sends the rest of a flow where its first packet went.
    """
    found = {single for service in app.services for text in service.egress.to if (single := place(text).single)}
    doors: dict[tuple[str, int], int] = {}
    taken = {*host_ports(app)}
    for address, port in sorted(found):
        number = zlib.crc32(f"{address}:{port}".encode())
        while (door := FIRST_DATAGRAM_PORT + number % DATAGRAM_PORTS) in taken:
            number += 1
        taken.add(door)
        doors[address, port] = door
    return doors


def carried(app: Application) -> list[tuple[int, int, tuple[str, int] | None]]:
    """What arrives from the rooms at (kind, port) and where it is for: None for where it was sent."""
    found: list[tuple[int, int, tuple[str, int] | None]] = [(socket.SOCK_STREAM, OUTWARD_PORT, None)]
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    found += [(kind, port, ("127.0.0.1", port)) for port in host_ports(app) for kind in kinds]
    found += [(socket.SOCK_DGRAM, port, there) for there, port in datagrams(app).items()]
    asked = resolver()
    if asked is not None:
        found += [(kind, NAMES_PORT, (asked, 53)) for kind in kinds]
    return found


def collector_ports(app: Application) -> tuple[int, ...]:
    """The trace collector's port when it is on this machine: every service may send there."""
    endpoint = urlsplit(app.observe.otlp or "")
    if not _is_here(endpoint.hostname):
        return ()
    return (endpoint.port or _PORTS.get(endpoint.scheme, 80),)


def seen_inside(endpoint: str | None) -> str | None:
    """An address on this machine as a room reaches it."""
    parts = urlsplit(endpoint or "")
    if endpoint is None or not _is_here(parts.hostname):
        return endpoint
    return parts._replace(netloc=f"{DOOR}:{parts.port or _PORTS.get(parts.scheme, 80)}").geturl()


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def resolver(file: Path = Path("/etc/resolv.conf")) -> str | None:
    """The first server that this machine asks for names."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    words = (line.split() for line in lines)
    return next((pair[1] for pair in words if len(pair) > 1 and pair[0] == "nameserver" and "%" not in pair[1]), None)
