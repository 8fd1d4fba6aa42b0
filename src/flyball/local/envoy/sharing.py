"""Two balancers on one port: the kernel gives every new connection to one of them, to the other when that is gone.

Sockets that share a port (SO_REUSEPORT) stand in the order in which they began to listen. A program of one instruction
tells the kernel the place whose socket gets a connection; without it each would get half of them. When the first socket
closes, however its process ended, the kernel puts the last one into its place: nobody has to notice, no connection is
refused.
"""

from __future__ import annotations

import ctypes
import json
import socket
import struct
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flyball.local.process.walls.router import within

from .config.bootstrap import LISTENERS_FILE

FIRST, SECOND = 0, 1
_STEER, _FILTER = 51, 26  # SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_FILTER
_RETURN = 0x06  # BPF_RET | BPF_K


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a listener listens; `network` is the file of the namespace that it listens in, "" for the machine's own."""

    address: str
    port: int
    protocol: str
    network: str


def possible() -> bool:
    """Whether this system lets two processes share a port in this way."""
    try:
        with _member("127.0.0.1", 0, socket.SOCK_STREAM) as socket_:
            _point(socket_, FIRST)
    except (OSError, AttributeError):
        return False
    return sys.platform == "linux"


def entrances(directory: Path) -> frozenset[Entrance]:
    """Those of the balancer that is fed from this directory."""
    try:
        listeners = json.loads((directory / LISTENERS_FILE).read_text())["resources"]
    except (OSError, ValueError, KeyError):
        return frozenset()
    return frozenset(_entrance(one["address"]["socket_address"]) for one in listeners)


def _entrance(found: dict[str, str | int]) -> Entrance:
    protocol, network = found.get("protocol", "TCP"), found.get("network_namespace_filepath", "")
    return Entrance(str(found["address"]), int(found["port_value"]), str(protocol), str(network))


def steer(directory: Path, place: int) -> None:
    """Let all that comes go to the balancer in this place. Raises OSError when the kernel refuses."""
    for entrance in sorted(entrances(directory), key=str):
        if entrance.network:
            within(Path(entrance.network), partial(_steer, entrance, place))
        else:
            _steer(entrance, place)


def _steer(entrance: Entrance, place: int) -> None:
    """Only a member may set the program, so we are one for a moment.

    Until it is set the kernel may choose us, so we are deaf: a client sends its first packet again, to a balancer.
    """
    kind = socket.SOCK_DGRAM if entrance.protocol == "UDP" else socket.SOCK_STREAM
    with _member(entrance.address, entrance.port, kind) as member:
        if kind == socket.SOCK_STREAM:
            member.listen(16)
        _point(member, place)


def _member(address: str, port: int, kind: int) -> socket.socket:
    """One more socket of the port, to which nothing can come."""
    member = socket.socket(socket.AF_INET, kind)
    try:
        member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        _attach(member, _FILTER, 0)  # keep no byte of any packet
        member.bind((address, port))
    except BaseException:
        member.close()
        raise
    return member


def _point(member: socket.socket, place: int) -> None:
    _attach(member, _STEER, place)


def _attach(member: socket.socket, kind: int, answer: int) -> None:
    """Attach the program that always answers this."""
    instruction = ctypes.create_string_buffer(struct.pack("=HBBI", _RETURN, 0, 0, answer))
    program = struct.pack("@HP", 1, ctypes.addressof(instruction))
    member.setsockopt(socket.SOL_SOCKET, kind, program)
