"""The `test` of a service: in a copy of its built release, with an instance's environment and its own empty stores.

The stores are empty and are thrown away afterwards: a test never touches the data of the running application.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

from flyball.core.control.observation import ReleaseSpec
from flyball.core.model import Application, Service
from flyball.local.paths import StateDirectory
from flyball.local.process import commands, environments, processes
from flyball.local.process.ports import free_port
from flyball.local.process.walls.walls import Walls
from flyball.local.process.watch import end_group
from flyball.local.releases import builds
from flyball.local.stores.stores import Stores

TEST_TIMEOUT_S = 15 * 60.0


async def test(
    service: Service, spec: ReleaseSpec, *, app: Application, paths: StateDirectory, scratch: Path, url: str, log: Path,
    walls: Walls | None,
) -> str:  # fmt: skip
    """Run the service's test in a new directory `scratch`; "" when it passed, else why not. Raises Failed, OSError."""
    built = builds.directory(spec.content, spec.build, releases=paths.releases)
    directory = scratch / "app"
    await asyncio.to_thread(_copy, built, directory)
    own = StateDirectory(scratch / "state")
    for place in (own.stores, own.processes, own.logs):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    walls = None if walls is None or walls.make_room is None else walls
    stores = Stores(None if walls is None else walls.of_test(), shared=False)
    try:
        needed = replace(app, stores=tuple(app.store(name) for name in spec.stores))
        urls = await stores.ensure(needed, own)
        instance = environments.environment(
            port=free_port(),
            instance=f"{service.name}-0",
            application=app.name,
            application_id=f"{paths.application_id(app.name)}-test",
            service=service.name,
            release=0,
            zone=app.zones[0],
            url=url,
            stores={store.variable: urls[store.name] for store in needed.stores},
            own=dict(spec.environment),
            directory=directory,
        )
        tools = environments.build_environment(dict(spec.environment), directory)
        environment, command = {**tools, **instance, "PATH": tools["PATH"]}, service.test or ""
        with contextlib.nullcontext() if walls is None else walls.testing(stores.ports):
            return await commands.run(
                command,
                what=f"the test of {service.name}",
                directory=directory,
                environment=environment,
                log=log,
                timeout_s=TEST_TIMEOUT_S,
                record=own.processes / "test.json",
                room=None if walls is None else walls.work_room(command, environment, scratch, test=True),
            )
    finally:
        await stores.stop()


def clear(scratch: Path) -> None:
    """Delete a test's directory, and first end what a control plane that was killed left running in it."""
    for record in scratch.glob("*/state/processes/*.json"):
        loaded = processes.load(record)
        if loaded is not None:
            end_group(loaded[0])
    shutil.rmtree(scratch, ignore_errors=True)


def _copy(built: Path, directory: Path) -> None:
    shutil.copytree(built, directory, symlinks=True)
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)  # a release is read-only, a test may write what it likes
