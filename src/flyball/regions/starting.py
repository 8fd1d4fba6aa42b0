"""What the edge starts with: its port, which regions start and which stop, and when it refuses to start."""

from __future__ import annotations

from flyball.core.errors import Failed, FileError
from flyball.core.model import Application
from flyball.local import face
from flyball.local.paths import StateDirectory
from flyball.local.process.ports import can_listen

from .record import EdgeRecord, read


def must_be_startable(app: Application, paths: StateDirectory, picked: tuple[str, ...]) -> None:
    """Raise FileError for regions that are not in the file, or if the application already runs here in another way."""
    for name in picked:
        if name not in app.region_names:
            raise FileError(f"there is no region {name!r}; choose from: {', '.join(app.region_names) or 'none'}")
    if not app.regions and read(paths) is not None and face.any_alive(paths):
        raise FileError(f"{app.name} is running here with regions; `flyball down` first, then `flyball up`")
    if app.regions and read(paths) is None and face.any_alive(paths):
        raise FileError(f"{app.name} is running here without regions; `flyball down` first, then `flyball up`")


def port_of(app: Application, asked: int | None, taken_over: EdgeRecord | None) -> int:
    """The port to listen on. Raises Failed when it cannot be used."""
    if taken_over is not None:
        if asked not in {None, taken_over.port}:
            raise Failed(f"{app.name} is running on port {taken_over.port}; `flyball down` first to change it")
        return taken_over.port
    wanted = app.listener.port if asked is None else asked
    if not can_listen(wanted):
        raise Failed(f"port {wanted} is in use; choose another with --port")
    return wanted


def wanted(app: Application, picked: tuple[str, ...], taken_over: EdgeRecord | None) -> tuple[str, ...]:
    """The regions that are to run: those picked, else all except those left out at the start."""
    left_out = () if taken_over is None else taken_over.left_out
    return picked or tuple(name for name in app.region_names if name not in left_out)


def strays(app: Application, paths: StateDirectory) -> tuple[str, ...]:
    """Regions that run but are no longer in the file, because it changed while no control plane ran."""
    known = sorted(one.name for one in paths.regions.iterdir()) if paths.regions.is_dir() else []
    return tuple(name for name in known if name not in app.region_names and face.any_alive(paths.of_region(name)))
