"""Keeps the network of an application where nobody is root: a script, python -I -S keeper.py INSIDE SOCKET.

It makes one user namespace, in which the user that started it may do what root may, and in that the network between
the rooms. Its main thread stays in the machine's own network and carries what rooms send outside; the other lives in
the network between the rooms and lends sockets of it to who asks at SOCKET. With its end the network ends.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import socket
import struct
import sys
import threading
import time
from typing import Any

ORIGINAL_DESTINATION = 80
PIECE = 65536
ANSWER_WITHIN_S = 5.0
CONNECT_WITHIN_S = 10.0


def main(script: str, path: str) -> None:
    """Become the owner of all that is made, make the network, serve."""
    inside: Any = {"__name__": "inside"}
    with open(script, "rb") as source:  # noqa: PTH123
        exec(compile(source.read(), script, "exec"), inside)  # noqa: S102
    user, group = os.getuid(), os.getgid()
    inside["unshare"](inside["NEW_USERS"])
    for name, content in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(content)
    asyncio.run(_serve(inside, path))


async def _serve(inside: Any, path: str) -> None:
    lender = Lender(inside, path, Carrier(asyncio.get_running_loop()))
    threading.Thread(target=lender.run, daemon=True).start()
    await asyncio.get_running_loop().create_future()


class Lender:
    """Lives in the network between the rooms and does there what it is asked: (what, arguments), one a connection."""

    def __init__(self, inside: Any, path: str, carrier: Carrier) -> None:
        self._inside = inside
        self._carrier = carrier
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(path)
        self._done: Any = {
            "who": self._who,
            "socket": self._socket,
            "write": self._write,
            "carry": self._carry,
        }

    def run(self) -> None:
        """Enter a new network, serve for ever."""
        self._inside["unshare"](self._inside["NEW_NETWORK"])
        self._door.listen(64)
        while True:
            try:
                channel, _ = self._door.accept()
            except OSError:  # who asked has gone, or no descriptor is free
                time.sleep(0.05)
                continue
            with channel:
                self._answer(channel)

    def _answer(self, channel: socket.socket) -> None:
        """One question. Whatever is wrong with it, the next one is answered: a client may die in the middle of its."""
        try:
            channel.settimeout(5.0)
            what, arguments = marshal.loads(channel.recv(PIECE))  # noqa: S302 - from our own user
            answer, lent = self._done[what](*arguments)
            socket.send_fds(channel, [marshal.dumps(answer)], [one.fileno() for one in lent])
            for one in lent:
                one.close()
        except Exception as error:  # noqa: BLE001 - this thread must live
            self._refuse(channel, error)

    @staticmethod
    def _refuse(channel: socket.socket, error: Exception) -> None:
        number, text = getattr(error, "errno", None), getattr(error, "strerror", None)
        try:
            channel.send(marshal.dumps([number or 0, str(text or error)]))
        except OSError:
            return

    @staticmethod
    def _who() -> tuple[Any, list[socket.socket]]:
        return threading.get_native_id(), []

    @staticmethod
    def _socket(family: int, kind: int, protocol: int) -> tuple[Any, list[socket.socket]]:
        return True, [socket.socket(family, kind, protocol)]

    @staticmethod
    def _write(path: str, value: str) -> tuple[Any, list[socket.socket]]:
        with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(value)
        return True, []

    def _carry(self, kind: int, host: str, port: int, to: Any) -> tuple[Any, list[socket.socket]]:
        if self._carrier.known((kind, port), to):
            return True, []
        listening = socket.socket(socket.AF_INET, kind)
        try:
            listening.bind((host, port))
            self._carrier.carry(listening, (kind, port), to)
        except BaseException:
            listening.close()
            raise
        return True, []


class Carrier:
    """Takes what arrives at a socket of the other network to where it is for: (host, port), None for its own aim."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._to: dict[tuple[int, int], Any] = {}

    def known(self, key: tuple[int, int], to: Any) -> bool:
        """Whether something listens there already; what arrives there goes to this then."""
        there = key in self._to
        if there:
            self._to[key] = to
        return there

    def carry(self, listening: socket.socket, key: tuple[int, int], to: Any) -> None:
        """Serve a socket from now on."""
        listening.setblocking(False)
        self._to[key] = to
        try:
            self._serve(listening, key)
        except BaseException:
            del self._to[key]
            raise

    def _serve(self, listening: socket.socket, key: tuple[int, int]) -> None:
        if key[0] == socket.SOCK_DGRAM:
            work = self._loop.create_datagram_endpoint(lambda: Questions(self._to, key), sock=listening)
            asyncio.run_coroutine_threadsafe(work, self._loop).result(5)
            return

        async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _connect(reader, writer, self._to[key])

        work2 = asyncio.start_server(taken, sock=listening, backlog=512)
        asyncio.run_coroutine_threadsafe(work2, self._loop).result(5)


async def _connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Any) -> None:
    try:
        if to is None:
            told = writer.get_extra_info("socket").getsockopt(socket.SOL_IP, ORIGINAL_DESTINATION, 16)
            to = (socket.inet_ntoa(told[4:8]), struct.unpack_from(">H", told, 2)[0])
        far_reader, far_writer = await asyncio.wait_for(asyncio.open_connection(*to), CONNECT_WITHIN_S)
    except OSError:  # being late is one
        writer.transport.abort()
        return
    await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
    for each in (writer, far_writer):
        each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


class Questions(asyncio.DatagramProtocol):
    """Questions for names: each is asked from a socket of its own, whose answer goes back."""

    def __init__(self, to: dict[tuple[int, int], Any], key: tuple[int, int]) -> None:
        self._to, self._key = to, key
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        """Keep the way back."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Ask for one."""
        task = asyncio.ensure_future(self._ask(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, data: bytes, addr: Any) -> None:
        loop, to = asyncio.get_running_loop(), self._to[self._key]
        asking = socket.socket(socket.AF_INET6 if ":" in to[0] else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            asking.setblocking(False)
            asking.connect(to)
            await loop.sock_sendall(asking, data)
            self._transport.sendto(await asyncio.wait_for(loop.sock_recv(asking, PIECE), ANSWER_WITHIN_S), addr)
        except OSError:  # being late is one
            return
        finally:
            asking.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
