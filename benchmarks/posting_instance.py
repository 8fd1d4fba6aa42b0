"""One instance for `benchmarks.posting`: writes down when it begins a POST's work, works for a random time, answers.

The file is opened for appending, and a line is one write: what is in it has happened, whenever the process is killed.
"""

from __future__ import annotations

import asyncio
import os
import random

from aiohttp import web


async def post(request: web.Request) -> web.Response:
    number = (await request.read()).decode()
    os.write(FILE, f"{number}\n".encode())
    await asyncio.sleep(random.expovariate(1 / 0.03))
    return web.Response(text=number)


async def health(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


if __name__ == "__main__":
    FILE = os.open(os.environ["EXECUTED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_post("/", post)
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None)
