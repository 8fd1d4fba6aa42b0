"""Would `flyball up` refuse a `run` line? Asked of the function that starts instances: same words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from flyball.core.errors import Failed
from flyball.core.manifest import Complaint
from flyball.core.manifest.complaints import Unplaced
from flyball.core.manifest.places import Places
from flyball.core.model import Application, Service
from flyball.core.model.stores import variable
from flyball.local.process import environments

NOT_FOUND = "program not found"
# Servers that are packages, and how each is told its port: they do not read PORT by themselves.
SERVERS = {
    "daphne": "--port $PORT",
    "fastapi": "--port $PORT",
    "flask": "--port $PORT",
    "granian": "--port $PORT",
    "hypercorn": "--bind 127.0.0.1:$PORT",
    "streamlit": "--server.port $PORT",
    "uvicorn": "--port $PORT",
    "waitress-serve": "--listen 127.0.0.1:$PORT",
}


def errors(app: Application, home: Path, text: str) -> tuple[Complaint, ...]:
    """Every `run` line of the file `text` in the directory `home` that cannot start here, with its place."""
    places = Places.of(text)
    return tuple(
        replace(places.complaint(Unplaced(path=("services", service.name, "run"), message=message)), hint=hint)
        for service in app.services
        for message, hint in _refused(service, home, app)
    )


def source(service: Service, home: Path) -> Path:
    """Where the source of a service lies."""
    return (home / service.source).resolve()


def _refused(service: Service, home: Path, app: Application) -> Iterator[tuple[str, str]]:
    environment = _environment(service, home, app)
    try:
        environments.run_command(service.run, directory=source(service, home), environment=environment)
    except Failed as refused:
        message = str(refused)
        missing = message.startswith(NOT_FOUND)
        program = shlex.split(service.run)[0] if missing else ""
        if missing and (service.build or (program in SERVERS and _is_bare(source(service, home)))):
            return  # the build may bring it, or the packages of a source that is not here
        yield message, _close_to(program, environment["PATH"]) if missing else ""


def _is_bare(directory: Path) -> bool:
    """Whether there is no source: the file alone is looked at."""
    return not directory.is_dir() or all(path.suffix in {".toml", ".json"} for path in directory.iterdir())


def _environment(service: Service, home: Path, app: Application) -> dict[str, str]:
    """The names that an instance finds; values that nobody looks at."""
    return environments.environment(
        port=1,
        instance=f"{service.name}-1",
        application=app.name,
        application_id="",
        service=service.name,
        release=1,
        zone="",
        url="",
        stores={variable(store): "" for store in service.stores},
        own=dict(service.environment),
        directory=source(service, home),
        otlp=app.observe.otlp,
    )


def _close_to(program: str, search_path: str) -> str:
    if "=" in program:
        name, _, value = program.partition("=")
        return f'write variables as env = {{ {name} = "{value}" }}'
    if program in {"cd", "export", "source", ".", "exec", "set", "ulimit"}:
        return f"`{program}` belongs to a shell: write run = \"sh -c '{program} …'\""
    known = {found.name for place in search_path.split(":") if Path(place).is_dir() for found in Path(place).iterdir()}
    close = get_close_matches(program, known, n=1, cutoff=0.8)
    return f"did you mean `{close[0]}`?" if close else "install it, or let `build` bring it"
