"""Of sockets that share a port one gets all that comes; the next one when that is closed."""

from __future__ import annotations

import errno
import json
import select
import socket
from pathlib import Path

import pytest

from flyball.local.envoy import sharing
from flyball.local.envoy.config.bootstrap import LISTENERS_FILE
from flyball.local.process.ports import free_port

pytestmark = pytest.mark.skipif(not sharing.possible(), reason="two balancers cannot share a port on this system")


def listening(port: int) -> socket.socket:
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    opened.bind(("127.0.0.1", port))
    opened.listen(64)
    opened.setblocking(False)
    return opened


def came(port: int, *sockets: socket.socket) -> list[int]:
    """Connect twenty times; how many came to each."""
    clients = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(20)]
    counts = [taken(one) for one in sockets]
    for client in clients:
        client.close()
    return counts


def taken(opened: socket.socket) -> int:
    count = 0
    while True:
        try:
            opened.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_the_first_gets_all_until_it_is_gone(tmp_path: Path) -> None:
    port = free_port()
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    (tmp_path / LISTENERS_FILE).write_text(json.dumps({"resources": [{"name": "http", "address": address}]}))
    with listening(port) as first:
        sharing.steer(tmp_path, sharing.FIRST)
        with listening(port) as second:
            assert came(port, first, second) == [20, 0]
            sharing.steer(tmp_path, sharing.SECOND)
            assert came(port, first, second) == [0, 20]
            sharing.steer(tmp_path, sharing.FIRST)
            first.close()
            assert came(port, second) == [20]
            with listening(port) as third:
                assert came(port, second, third) == [20, 0]


def test_whoever_sets_the_program_takes_no_connection_away() -> None:
    """Also when the program still names a place that only the newcomer could have."""
    with listening(free_port()) as only:
        port = only.getsockname()[1]
        with sharing._member("127.0.0.1", port, socket.SOCK_STREAM) as member:
            member.listen(16)
            sharing._point(member, sharing.SECOND)
            with socket.socket() as client:
                client.setblocking(False)
                assert client.connect_ex(("127.0.0.1", port)) == errno.EINPROGRESS
                assert select.select([], [client], [], 0)[1] == []  # on loopback an answer comes at once
                sharing._point(member, sharing.FIRST)
                # The first packet comes again, and to the right one.
                assert select.select([], [client], [], 60)[1] == [client]
                assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert taken(only) == 1


def test_a_directory_without_listeners_has_no_entrances(tmp_path: Path) -> None:
    assert sharing.entrances(tmp_path) == frozenset()
    sharing.steer(tmp_path, sharing.FIRST)
