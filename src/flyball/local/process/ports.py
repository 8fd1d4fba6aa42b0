"""Ports of 127.0.0.1 for what Flyball starts."""

from __future__ import annotations

import itertools
import secrets
import socket
from collections.abc import Container

from flyball.core.errors import Failed

# Below 32768, where Linux starts to hand out ports for outgoing connections: those would take ours away.
PORTS = range(10_000, 32_768)
_turn = itertools.count(secrets.randbelow(len(PORTS)))


def free_port(exclude: Container[int] = ()) -> int:
    """A port of 127.0.0.1 that nobody uses, from 10000 to 32767. No port is given twice before all were tried once.

    Raises Failed when there is none.
    """
    for _ in PORTS:
        port = PORTS[next(_turn) % len(PORTS)]
        if port in exclude:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise Failed("no free port from 10000 to 32767 on 127.0.0.1")


def can_listen(port: int) -> bool:
    """Whether a server could listen on this port now; connections of an earlier one that still close do not hinder."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
