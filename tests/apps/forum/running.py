"""The three services as real processes, behind a small router in the test's event loop in the balancer's place."""

import itertools
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from app_servers import APPS, Server, environment, free_port, serving

FORUM = APPS / "forum"
SERVICES = ("users", "threads", "posts")


@dataclass(kw_only=True)
class Router:
    """Sends /api/NAME to the instances of NAME in turn, everything else to threads. `url` is its address."""

    session: aiohttp.ClientSession
    url: str = ""
    targets: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in SERVICES})
    passed: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, request id
    turn: itertools.count = field(default_factory=itertools.count)

    async def pass_on(self, request: web.BaseRequest) -> web.Response:
        self.passed.append((request.method, request.path, request.headers.get("x-request-id", "")))
        parts = request.path.split("/")
        targets = self.targets.get(parts[2] if parts[1] == "api" and len(parts) > 2 else "threads", [])
        if not targets:
            return web.Response(status=503, text="no healthy upstream")
        url = targets[next(self.turn) % len(targets)] + request.raw_path
        try:
            answer = await self.session.request(
                request.method, url, headers=request.headers, data=await request.read(), allow_redirects=False
            )
            body = await answer.read()
        except aiohttp.ClientError:
            return web.Response(status=503, text="upstream connect error")
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
        return web.Response(status=answer.status, headers=headers, body=body)


_HOP = {"content-length", "transfer-encoding", "connection", "date", "server"}


@asynccontextmanager
async def routing() -> AsyncIterator[Router]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        router = Router(session=session)
        runner = web.ServerRunner(web.Server(router.pass_on, access_log=None))
        await runner.setup()
        port = await _listen(runner)
        router.url = f"http://127.0.0.1:{port}"
        try:
            yield router
        finally:
            await runner.cleanup()


async def _listen(runner: web.BaseRunner) -> int:
    while True:
        port = free_port()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError:
            continue
        return port


def instance(config: pytest.Config, name: str, *, store: str, address: str, log: Path, **env: str):
    """One instance as the file runs it, in an environment with the pinned requirements only."""
    programs = environment(config, (FORUM / "requirements.txt").read_text())
    command = [programs / "uvicorn", "--factory", f"{name}.main:app", "--port", "PORT", "--timeout-keep-alive", "75"]
    variables = {"FORUM_URL": store, "FLYBALL_URL": address, "PYTHONDONTWRITEBYTECODE": "1", **env}
    return serving([*command, "--no-access-log"], env=variables, cwd=FORUM, log=log)


@asynccontextmanager
async def running(
    config: pytest.Config, folder: Path, *, each: int = 1, store: str = ""
) -> AsyncIterator[tuple[Router, dict[str, list[Server]]]]:
    """The whole forum with `each` instances per service."""
    store = store or f"sqlite://{folder}/forum.db"
    async with routing() as router:
        with ExitStack() as processes:
            servers = {
                name: [
                    processes.enter_context(
                        instance(config, name, store=store, address=router.url, log=folder / f"{name}-{number}.log")
                    )
                    for number in range(each)
                ]
                for name in SERVICES
            }
            for name, started in servers.items():
                router.targets[name] = [server.url for server in started]
            yield router, servers
