"""One instance for `benchmarks.concurrency`: asyncio or threads, with requests that compute, wait, or both.

$KIND: threads (5 ms of processor time, four threads at a time), async (5 ms), others (waits 1 s for others), mix (one
of ten waits 5 s, the others compute 2 ms), poll (as async; /poll waits until the client goes).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from aiohttp import web

PORT = int(os.environ["PORT"])
TURNS = count()


def burn(seconds: float) -> None:
    """Use so much processor time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def computing(_request: web.Request) -> None:
    burn(0.005)


async def others(_request: web.Request) -> None:
    await asyncio.sleep(1.0)


async def mix(_request: web.Request) -> None:
    if next(TURNS) % 10 == 0:
        await asyncio.sleep(5.0)
    else:
        burn(0.002)


async def poll(request: web.Request) -> None:
    if request.path == "/poll":
        await asyncio.sleep(25.0)
    else:
        burn(0.005)


def asynchronous(work: Callable[[web.Request], Awaitable[None]]) -> None:
    """Serve with one event loop."""

    async def answer(request: web.Request) -> web.Response:
        if request.path != "/health":
            await work(request)
        return web.Response(text="ok\n")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=PORT, backlog=4096, access_log=None, print=None)


class Threads(BaseHTTPRequestHandler):
    """Serves with a thread for each connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path != "/health":
            burn(0.005)
        self.send_response(200)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_words: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Takes every connection."""

    request_queue_size = 4096
    daemon_threads = True


if __name__ == "__main__":
    kinds = {"async": computing, "others": others, "mix": mix, "poll": poll}
    if os.environ["KIND"] == "threads":
        Server(("127.0.0.1", PORT), Threads).serve_forever()
    else:
        asynchronous(kinds[os.environ["KIND"]])
