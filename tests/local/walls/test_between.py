"""What a room reaches through the balancer: names, a port of this machine, and what lies outside, also by UDP."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from flyball.core.manifest import parse
from flyball.local.envoy.config import resources
from flyball.local.envoy.config.rooms import Rooms
from flyball.local.network import _outside
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.process.ports import free_port
from flyball.local.process.walls.outside import datagrams
from flyball.local.process.walls.router import DOOR, NAMES_PORT, OUTWARD_PORT
from flyball.local.process.walls.walls import Walls
from local.envoy.envoy_rig import Envoy
from waiting import soon

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.usefixtures("walls_stand")]
RESOLVER = "127.0.0.9"
PYTHON = str(Path(sys.executable).resolve())
FILE = """
name = "shop"
[network]
boundary = "closed"
[services.web]
run = "serve"
routes = ["/"]
egress = ["0.0.0.0/0", "host:{port}", "{far}:{far_port}"]
"""
ASKS = """
import socket, sys
port, far, outside = int(sys.argv[1]), (sys.argv[2], int(sys.argv[3])), sys.argv[4:]
def said(host, port):
    with socket.create_connection((host, port), timeout=20) as channel:
        return channel.recv(100).decode()
def answered(word, *at):
    question = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    question.settimeout(20)
    question.sendto(word, at)
    return question.recv(100).decode()
print(answered(b"name?", open("/etc/resolv.conf").read().split()[1], 53))
print(answered(b"host?", "host", port), answered(b"far?", *far))
with socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
    print(socket.create_connection(six.getsockname()[:2]).getpeername()[0])
print(said("host", port))
print(said(outside[0], int(outside[1])))
"""


class Names(asyncio.DatagramProtocol):
    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr) -> None:
        self.transport.sendto(data.replace(b"?", b"!"), addr)


async def greeted(_, writer) -> None:
    writer.write(b"local")
    writer.close()


async def test_names_a_port_of_this_machine_and_the_world_are_reached(tmp_path: Path) -> None:
    loop, envoy = asyncio.get_running_loop(), Envoy(tmp_path)
    local = await asyncio.start_server(greeted, "127.0.0.1", 0)
    port = local.sockets[0].getsockname()[1]
    outside, server = await _outside()
    if outside is None:
        pytest.skip("this machine has no address but its localhost")
    names, _ = await loop.create_datagram_endpoint(Names, (RESOLVER, 53), family=socket.AF_INET)
    near, _ = await loop.create_datagram_endpoint(Names, ("127.0.0.1", port), family=socket.AF_INET)
    far, _ = await loop.create_datagram_endpoint(Names, (outside[0], 0), family=socket.AF_INET)
    far_port = far.get_extra_info("sockname")[1]
    app = parse(FILE.format(port=port, far=outside[0], far_port=far_port))
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    walls = Walls.of(app, paths)
    assert walls is not None
    try:
        assert walls.problem == ""
        walls.admit(app, {}, door=envoy.inside_port)
        rooms = Rooms(
            network=str(walls.router.path),
            door=DOOR,
            outward_port=OUTWARD_PORT,
            names_port=NAMES_PORT,
            resolver=RESOLVER,
            host_ports=(port,),
            datagrams=tuple((door, *there) for there, door in datagrams(app).items()),
        )
        envoy.port = free_port()
        await envoy.run(
            resources.files(
                app,
                {},
                directory=str(tmp_path),
                port=envoy.port,
                inside_port=envoy.inside_port,
                access_log=str(envoy.access_log),
                certificate=None,
                rooms=rooms,
            )
        )
        await soon(envoy.admin.ready)
        argv = [PYTHON, "-c", ASKS, str(port), outside[0], str(far_port), *map(str, outside)]
        room = walls.room("web", (), number=7, port=8000, argv=argv, directory=tmp_path, path="/usr/bin:/bin")
        log = paths.logs / "room.log"
        process = await processes.spawn(argv, environment={}, directory=tmp_path, log=log, room=room)
        await soon(lambda: not processes.alive(process))
        assert log.read_text().split() == ["name!", "host!", "far!", "::1", "local", "here"]
        assert walls.refusals() == []
    finally:
        envoy.stop()
        await envoy.admin.close()
        walls.remove()
        for each in (names, near, far):
            each.close()
        for each in (local, server):
            if each is not None:
                each.close()
