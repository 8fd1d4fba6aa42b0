"""Carries out what a step asks for. Doing the same thing twice is harmless: a step asks until it sees it done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from flyball.core.control.actions import Build, Launch, Terminate
from flyball.core.control.observation import BuildSeen
from flyball.core.control.routing import targets
from flyball.core.control.state import State
from flyball.core.control.step import Step
from flyball.core.errors import FlyballError
from flyball.core.model import Application
from flyball.core.model.stores import variable

from .envoy import certificate
from .envoy.balancer import Balancer
from .envoy.config.endpoints import Endpoint
from .instances.instances import Instances
from .paths import StateDirectory
from .process import environments
from .releases import builds


class Applier:
    """Builds releases, launches and ends instances, tells the balancer. `home` is the directory of the file.

    `built` hears the end of every build; `store_urls` maps a store's name to its URL here, also of stores that only an
    older release uses.
    """

    def __init__(
        self,
        app: Application,
        *,
        home: Path,
        paths: StateDirectory,
        port: int,
        inside_port: int,
        store_urls: Mapping[str, str],
        instances: Instances,
        balancer: Balancer,
        built: Callable[[BuildSeen], None],
        now: Callable[[], float],
    ) -> None:
        self.app = app
        self._home = home
        self._paths = paths
        self._port = port
        self._inside_port = inside_port
        self.store_urls = store_urls
        self._instances = instances
        self._balancer = balancer
        self._built = built
        self._now = now
        self._building: dict[tuple[str, int], asyncio.Task[None]] = {}

    @property
    def url(self) -> str:
        """Address of the application."""
        scheme = "http" if self.app.listener.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}"

    @property
    def inside_url(self) -> str:
        """Address of the application for its own services: always without TLS."""
        port = self._port if self.app.listener.tls is None else self._inside_port
        return f"http://127.0.0.1:{port}"

    def apply(self, step: Step) -> None:
        """Tell the balancer first, so that nothing ends while it may still get requests; then the rest."""
        self.push(step.state)
        # What ends comes first: a launch that cannot be done must not keep anything alive.
        for action in sorted(step.actions, key=lambda action: not isinstance(action, Terminate)):
            match action:
                case Build():
                    self._build(action)
                case Launch():
                    self._launch(action)
                case Terminate():
                    self._instances.terminate(action.instance, force=action.force)
        self._instances.forget({one.id for one in step.state.instances})

    def push(self, state: State) -> None:
        """Give the balancer the routes of the file and the targets of the state, where they changed."""
        endpoints = {service.name: self._endpoints(state, service.name) for service in self.app.services}
        self._balancer.push(
            self.app, endpoints, port=self._port, inside_port=self._inside_port, certificate=self._certificate()
        )

    def _endpoints(self, state: State, service: str) -> list[Endpoint]:
        running = self._instances.running
        return [
            Endpoint(
                instance=target.instance,
                port=running[target.instance].port,
                weight=target.weight,
                draining=target.draining,
                zone=target.zone,
            )
            for target in targets(state, service)
            if target.instance in running
        ]

    def _certificate(self) -> tuple[str, str] | None:
        tls = self.app.listener.tls
        return None if tls is None else certificate.paths(tls, home=self._home, own=self._paths.root / "tls")

    def _launch(self, action: Launch) -> None:
        directory = builds.directory(action.spec.content, action.spec.build, releases=self._paths.releases)
        self._instances.launch(
            action,
            self.app.service(action.service),
            directory=directory,
            environment=lambda port: self._environment(action, directory, port),
            now=self._now(),
        )

    def _environment(self, action: Launch | Build, directory: Path, port: int) -> dict[str, str]:
        """What an instance sees. For a build: what its instances will see, to find out whether `run` makes sense."""
        return environments.environment(
            port=port,
            instance=action.instance if isinstance(action, Launch) else f"{action.service}-0",
            application=self.app.name,
            application_id=self._paths.application_id(self.app.name),
            service=action.service,
            release=action.release,
            zone=action.zone if isinstance(action, Launch) else self.app.zones[0],
            url=self.inside_url,
            stores={variable(name): self.store_urls[name] for name in action.spec.stores},
            own=dict(action.spec.environment),
            directory=directory,
            otlp=self.app.observe.otlp,
        )

    def _build(self, action: Build) -> None:
        key = (action.service, action.release)
        if key not in self._building:
            self._building[key] = asyncio.ensure_future(self._run_build(action))

    async def _run_build(self, action: Build) -> None:
        spec = action.spec
        try:
            result = await builds.build(
                spec.content,
                spec.build,
                releases=self._paths.releases,
                environment=dict(spec.environment),
                log=self._paths.logs / f"build-{action.service}-{action.release}.log",
            )
            succeeded, message = result.succeeded, result.message
            if succeeded:
                # A program that is not there is better found now than once per instance.
                environment = self._environment(action, result.directory, port=1)
                environments.run_command(spec.run, directory=result.directory, environment=environment)
        except FlyballError as error:
            succeeded, message = False, str(error)
        self._built(BuildSeen(service=action.service, release=action.release, succeeded=succeeded, message=message))

    async def close(self) -> None:
        """Give up builds that are under way; the next control plane asks for them again."""
        for task in self._building.values():
            task.cancel()
        await asyncio.gather(*self._building.values(), return_exceptions=True)
