"""A real Envoy fed by our files, and small instances that say what they were asked."""

import asyncio
import secrets
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from flyball.core.model import Application, Condition, HealthCheck, Listener, Route, Service
from flyball.local.envoy import files, process
from flyball.local.envoy.admin import Admin, TargetStats
from flyball.local.envoy.config import bootstrap, resources
from flyball.local.envoy.config.endpoints import Endpoint
from flyball.local.envoy.config.queue import PROGRAM
from flyball.local.process.ports import free_port
from waiting import soon


def service(name: str = "web", *paths: str, **fields) -> Service:
    """A service on `paths`, checked every 0.2 s."""
    fields.setdefault("health", HealthCheck(path="/health", interval_s=0.2, timeout_s=1.0))
    fields.setdefault("routes", tuple(Route(condition=Condition(path=path)) for path in paths or ("/",)))
    return Service(name=name, run="serve", **fields)


def application(*services: Service, **listener) -> Application:
    return Application(name="board", services=services or (service(),), listener=Listener(**listener))


def bound() -> socket.socket:
    """A listening socket on a port of ours, below the range from which the kernel gives ports to clients."""
    first = 21000 + secrets.randbelow(5000)  # two test processes at once must not take turns on one port
    for port in range(first, 32768):
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", port))
            held.listen(512)
        except OSError:
            held.close()
            continue
        return held
    raise RuntimeError("no free port below 32768")


class Instance:
    """An instance of a service: answers with what it was asked, /slow after a while, /status/N with N.

    /ws echoes, /events never ends.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.healthy = True
        self.health_s = 0.0
        self.requests = 0
        self.bodies: list[str] = []
        self.slow_s = 1.0
        self.slow: Callable[[web.Request], Awaitable[None]] | None = None  # instead of `slow_s`
        self.port = 0
        self.tls = False
        self._runner: web.AppRunner | None = None

    async def start(self, *, port: int | None = None, tls: ssl.SSLContext | None = None, **settings) -> "Instance":
        app = web.Application(client_max_size=1 << 30)
        app.router.add_get("/health", self._health)
        app.router.add_get("/ws", self._echo)
        app.router.add_get("/events", self._events)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, **settings)
        await self._runner.setup()
        held = bound() if port is None else socket.create_server(("127.0.0.1", port))
        self.port = held.getsockname()[1]
        self.tls = tls is not None
        await web.SockSite(self._runner, held, ssl_context=tls).start()
        return self

    def endpoint(self, *, weight: int = 1, draining: bool = False) -> Endpoint:
        return Endpoint(instance=self.name, port=self.port, weight=weight, draining=draining, zone="a", tls=self.tls)

    async def kill(self) -> None:
        """What `kill -9` does to its connections: all are cut, the port is closed."""
        if self._runner is None or self._runner.server is None:
            return
        runner, self._runner = self._runner, None
        for site in list(runner.sites):
            await site.stop()
        for _ in range(3):  # what was accepted just before is a connection of the server by then
            await asyncio.sleep(0)
        for connection in list(runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        await asyncio.sleep(self.health_s)
        return web.Response(status=200 if self.healthy else 500)

    async def _echo(self, request: web.Request) -> web.WebSocketResponse:
        channel = web.WebSocketResponse()
        await channel.prepare(request)
        async for message in channel:
            await channel.send_str(f"{self.name} {message.data}")
        return channel

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """One event, and then none for as long as the visitor stays."""
        stream = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(f"data: {self.name}\n\n".encode())
        await asyncio.get_running_loop().create_future()
        return stream

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        body = await request.text()
        if request.method == "POST":
            self.bodies.append(body)
        if request.path == "/slow":
            await (asyncio.sleep(self.slow_s) if self.slow is None else self.slow(request))
        status = int(request.path.rpartition("/")[2]) if request.path.startswith("/status/") else 200
        seen = {
            "instance": self.name,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
        }
        return web.json_response(seen, status=status, headers={"server": "own", "x-flyball-instance": "forged"})


class Envoy:
    """A running Envoy of one application."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.admin = Admin(str(directory / "admin.sock"))
        self.port = 0
        self.inside_port = free_port()
        self.queue = PROGRAM
        self.core_rules: str | None = None
        self.certificate: tuple[str, str] | None = None
        self.challenges: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def access_log(self) -> Path:
        return self.directory / "access.log"

    @property
    def log(self) -> Path:
        return self.directory / "envoy.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def push(self, app: Application, **instances) -> tuple[str, ...]:
        """Name the instances (or endpoints) of each service to Envoy; the files that changed."""
        return files.write(self.directory, self._content(app, instances))

    def _content(self, app: Application, instances) -> dict:
        endpoints = {
            name: [each.endpoint() if isinstance(each, Instance) else each for each in members]
            for name, members in instances.items()
        }
        return resources.files(
            app,
            endpoints,
            directory=str(self.directory),
            port=self.port,
            inside_port=self.inside_port,
            access_log=str(self.access_log),
            certificate=self.certificate,
            challenges=self.challenges,
            queue=self.queue,
            core_rules=self.core_rules,
        )

    async def start(self, app: Application, **instances) -> "Envoy":
        """Start it, and wait until it listens and its checks have been to every instance."""
        for _ in range(5):
            held = bound()
            self.port = held.getsockname()[1]
            held.close()
            await self.run(self._content(app, instances))
            await soon(self._decided)
            if await self.admin.ready():
                await soon(self._checked)
                return self
            self.stop()  # another program was faster to take the port
        raise RuntimeError(self.log.read_text())

    async def run(self, content: dict) -> None:
        """Start the program on these files."""
        boot = bootstrap.bootstrap(
            directory=str(self.directory), admin_socket=str(self.directory / "admin.sock"), name="board"
        )
        files.write(self.directory, {**content, "bootstrap.json": boot})
        command = process.command(bootstrap=self.directory / "bootstrap.json", log=self.log, concurrency=1)
        self._process = subprocess.Popen(command)  # noqa: ASYNC220  # killed in stop(), also without a loop

    async def _decided(self) -> bool:
        return self.ended() or await self.admin.ready() or await self.refused()

    async def refused(self) -> bool:
        try:
            return await self.admin.rejected() > 0
        except OSError:
            return False

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    async def _checked(self) -> bool:
        return all(target.health != "initial" for target in await self.admin.targets())

    async def target(self, instance: str) -> TargetStats | None:
        return next((each for each in await self.admin.targets() if each.instance == instance), None)

    async def until_target(self, instance: str, condition: Callable[[TargetStats | None], bool]) -> None:
        async def holds() -> bool:
            return condition(await self.target(instance))

        await soon(holds)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Client:
    """Sends requests through the balancer, and sums up who answered."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self.session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def get(self, path: str = "/", *, method: str = "GET", **options):
        """(status, headers, body) of one request."""
        async with self.session.request(method, self._url() + path, allow_redirects=False, **options) as response:
            return response.status, response.headers, await response.text()

    async def who(self, path: str = "/", **options) -> str:
        """The instance that answered, or the status of a reply that no instance gave."""
        status, headers, _ = await self.get(path, **options)
        return headers.get("x-flyball-instance", str(status))

    async def spread(self, count: int, path: str = "/", **options) -> Counter[str]:
        return Counter([await self.who(path, **options) for _ in range(count)])
