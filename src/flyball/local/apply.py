"""Carries out what a step asks for. Doing the same thing twice is harmless: a step asks until it sees it done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from flyball.core.control.actions import Build, Launch, Terminate
from flyball.core.control.observation import BuildSeen, TargetHealth
from flyball.core.control.routing import targets
from flyball.core.control.state import State
from flyball.core.control.step import Step
from flyball.core.errors import FlyballError
from flyball.core.model import Application
from flyball.core.model.stores import variable
from flyball.core.view.shapes import CertificateJson

from .envoy import certificate
from .envoy.config.endpoints import Endpoint
from .envoy.config.rooms import Rooms
from .envoy.judge import judging
from .envoy.served import Served
from .machine import Door, Machine
from .process import environments
from .process.walls.outside import datagrams, host_ports, resolver, seen_inside
from .process.walls.router import DOOR, NAMES_PORT, OUTWARD_PORT
from .releases import builds

log = structlog.get_logger()


class Applier:
    """Builds releases, launches and ends instances, tells the balancer.

    `home` is the directory of the file; `built` hears the end of every build; `served` is the listener's certificate.
    """

    def __init__(
        self,
        home: Path,
        machine: Machine,
        door: Door,
        *,
        built: Callable[[BuildSeen], None],
        now: Callable[[], float],
        served: Served,
    ) -> None:
        self.door = door
        self._home = home
        self._machine = machine
        self._built = built
        self._now = now
        self._served = served
        self._building: dict[tuple[str, int], asyncio.Task[None]] = {}

    def apply(self, app: Application, step: Step) -> None:
        """Tell the balancer first, so that nothing ends while it may still get requests; then the rest."""
        self.push(app, step.state)
        # What ends comes first: a launch that cannot be done must not keep anything alive.
        for action in sorted(step.actions, key=lambda action: not isinstance(action, Terminate)):
            match action:
                case Build():
                    self._build(app, action)
                case Launch():
                    self._launch(app, action)
                case Terminate():
                    self._machine.instances.terminate(action.instance, force=action.force)
        self._machine.instances.forget({one.id for one in step.state.instances})

    def must_be_usable(self, app: Application) -> None:
        """Raise FileError when a certificate or the firewall's rules that the file names are of no use."""
        certificate.must_be_usable(app, home=self._home)
        judging.must_be_usable(app.listener.firewall, self._home)

    async def prepare(self, app: Application) -> None:
        """Make the stores of the file ready, and who judges by its firewall's rules."""
        await self._machine.stores.ensure(app, self._machine.paths)
        await self._machine.judging.ensure(app.listener.firewall, self._home)
        if self._machine.walls is not None:
            self._machine.walls.admit(app, self._machine.stores.ports, door=self.door.inside_port)

    def push(self, app: Application, state: State) -> None:
        """Give the balancer the routes of the file and the targets of the state, where they changed."""
        endpoints = {service.name: self._endpoints(state, service.name) for service in app.services}
        adapting = {service.name for service in app.services if service.adapts}
        self._machine.balancer.push(
            self._at_home(app),
            endpoints,
            port=self.door.port,
            inside_port=self.door.inside_port,
            certificate=self._served.files(app.listener.tls, now=self._now()),
            challenges=self._served.challenges,
            rooms=self._rooms(app),
            core_rules=self._machine.judging.socket,
            concurrency={one.name: one.adaptive.limit for one in state.services if one.name in adapting},
        )

    def certificate(self, app: Application) -> CertificateJson | None:
        """The certificate that visitors see; None without TLS."""
        return self._served.told(app.listener.tls, now=self._now())

    def _at_home(self, app: Application) -> Application:
        """With paths that also Envoy finds."""
        if not any(one.tls_ca for one in app.services):
            return app
        home = self._home.absolute()
        found = ((one, one.tls_ca and str(home / one.tls_ca)) for one in app.services)
        return replace(app, services=tuple(replace(one, tls_ca=path) for one, path in found))

    def _rooms(self, app: Application) -> Rooms | None:
        walls = self._machine.walls
        if walls is None or walls.problem:
            return None
        return Rooms(
            network=str(walls.router.path) if walls.router.users is None else None,
            door=DOOR,
            outward_port=OUTWARD_PORT,
            names_port=NAMES_PORT,
            resolver=resolver(),
            host_ports=host_ports(app),
            datagrams=tuple((door, *there) for there, door in datagrams(app).items()),
        )

    def _endpoints(self, state: State, service: str) -> list[Endpoint]:
        running = self._machine.instances.running
        states = {one.id: one for one in state.instances}
        return [
            Endpoint(
                instance=target.instance,
                port=running[target.instance].port,
                address=self._machine.instances.address(running[target.instance]).host,
                weight=target.weight,
                draining=target.draining,
                zone=target.zone,
                known=states[target.instance].health is not TargetHealth.UNUSED,
                healthy=states[target.instance].health is TargetHealth.HEALTHY,
                in_flight=states[target.instance].in_flight,
                tls=running[target.instance].speaks_tls,
            )
            for target in targets(state, service)
            if target.instance in running
        ]

    def _launch(self, app: Application, action: Launch) -> None:
        directory = builds.directory(action.spec.content, action.spec.build, releases=self._machine.paths.releases)
        self._machine.instances.launch(
            action,
            app.service(action.service),
            directory=directory,
            environment=lambda port: self._environment(app, action, directory, port),
            now=self._now(),
        )

    def _environment(self, app: Application, action: Launch | Build, directory: Path, port: int) -> dict[str, str]:
        """What an instance sees. For a build: what its instances will see, to find out whether `run` makes sense."""
        otlp = app.observe.otlp
        return environments.environment(
            port=port,
            instance=action.instance if isinstance(action, Launch) else f"{action.service}-0",
            application=app.name,
            application_id=self._machine.paths.application_id(app.name),
            service=action.service,
            release=action.release,
            zone=action.zone if isinstance(action, Launch) else app.zones[0],
            url=self.door.inside_url(app),
            stores={variable(name): self._machine.stores.urls[name] for name in action.spec.stores},
            own=dict(action.spec.environment),
            directory=directory,
            otlp=otlp if (walls := self._machine.walls) is None or walls.problem else seen_inside(otlp),
            region=app.region,
        )

    def _build(self, app: Application, action: Build) -> None:
        key = (action.service, action.release)
        if key not in self._building:
            self._building[key] = asyncio.ensure_future(self._run_build(app, action))

    async def _run_build(self, app: Application, action: Build) -> None:
        spec, walls = action.spec, self._machine.walls
        try:
            result = await builds.build(
                spec.content,
                spec.build,
                releases=self._machine.paths.releases,
                environment=dict(spec.environment),
                log=self._machine.paths.logs / f"build-{action.service}-{action.release}.log",
                make_room=None if walls is None else walls.make_room,
            )
            succeeded, message = result.succeeded, result.message
            if succeeded:
                # A program that is not there is better found now than once per instance.
                environment = self._environment(app, action, result.directory, port=1)
                environments.run_command(spec.run, directory=result.directory, environment=environment)
        except FlyballError as error:
            succeeded, message = False, str(error)
        except Exception as error:  # a build that ends unheard would keep its release waiting for ever
            log.exception("a build failed in a way that nobody foresaw", release=action.release)
            succeeded, message = False, f"it could not be built: {error!r}"
        self._built(BuildSeen(service=action.service, release=action.release, succeeded=succeeded, message=message))

    async def close(self) -> None:
        """Give up builds that are under way; the next control plane asks for them again."""
        for task in self._building.values():
            task.cancel()
        await asyncio.gather(*self._building.values(), return_exceptions=True)
