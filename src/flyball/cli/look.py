"""`flyball open`, `exec` and `doctor`: look at the application, at an instance, at the machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from flyball.core.control.state import Lifecycle
from flyball.core.errors import Failed, FileError, FlyballError, NotRunning
from flyball.core.view.shapes import InstanceJson, ServiceJson
from flyball.local import face
from flyball.local.paths import NAME, StateDirectory

from . import talk
from .client import Control
from .files import find_file, find_running, load
from .ps import certificate_text

if TYPE_CHECKING:
    from flyball.local.doctor import Check


def open_(path: Path | None, *, dashboard: bool, show: bool) -> int:
    """Open the application, or its dashboard, in a browser; with `show`, only print the URL."""
    described = Control(find_running(path)).application()
    address = (described["dashboard"] or "") if dashboard else described["url"]
    sys.stdout.write(f"{address}\n")
    if not show and not webbrowser.open(address):
        talk.say("no browser was found; the URL is above")
    return 0


def exec_(path: Path | None, service: str, command: list[str], *, region: str | None = None) -> int:
    """Run a command in the directory and environment of an instance of the service; return the command's exit code."""
    if not command:
        raise FileError("give a command to run, such as: flyball exec web ls -la")
    described = Control(find_running(path)).application()
    services = [one for one in described["services"] if region is None or one.get("region") == region]
    instance = _instance_of(services, service)
    try:
        directory = Path(f"/proc/{instance['pid']}/cwd").readlink()
        raw = Path(f"/proc/{instance['pid']}/environ").read_bytes()
        command = face.in_room_of(int(instance["pid"] or 0), command)
    except OSError as error:
        raise Failed(f"{instance['id']} cannot be inspected: {error}") from error
    pairs = (entry.partition("=") for entry in os.fsdecode(raw).split("\0") if "=" in entry)
    environment = {name: value for name, _, value in pairs}
    # A restarted control plane finds leftover processes by this variable and ends them; it must not find this one.
    environment.pop("FLYBALL_APPLICATION_ID", None)
    try:
        return subprocess.run(command, cwd=directory, env=environment, check=False).returncode
    except OSError as error:
        raise Failed(f"{command[0]} cannot be run: {error.strerror}") from error


def _instance_of(services: list[ServiceJson], wanted: str) -> InstanceJson:
    names = [one["name"] for one in services]
    for service in services:
        instances = [one for one in service["instances"] if one["pid"] is not None]
        named = [one for one in instances if one["id"] == wanted]
        if service["name"] == wanted or named:
            serving = named or [one for one in instances if one["lifecycle"] == Lifecycle.IN_SERVICE] or instances
            if not serving:
                raise NotRunning(f"no instance of {wanted} is running")
            return serving[0]
    raise FileError(f"there is no service or instance {wanted!r}; choose from: {', '.join(names)}")


def doctor(*, json: bool) -> int:
    """Check the machine: what Flyball needs and what it finds. Exit 1 if something needed is missing."""
    from flyball.local.doctor import checks  # noqa: PLC0415

    found = [*checks(), *_certificate()]
    if json:
        talk.emit([{"name": one.name, "ok": one.ok, "detail": one.detail, "remedy": one.remedy} for one in found])
    else:
        talk.table(
            ("", "check", "found", "remedy"),
            (["ok" if one.ok else "MISSING", one.name, one.detail, "" if one.ok else one.remedy] for one in found),
        )
    return 0 if all(one.ok for one in found) else 1


def _certificate() -> list[Check]:
    """The certificate of the application that runs here, if one does."""
    from flyball.local.doctor import Check  # noqa: PLC0415

    try:
        served = Control(find_running(None)).application().get("certificate")
    except FlyballError:
        return []
    if served is None:
        return []
    remedy = "put a new one into its file; `flyball events` says why one was refused or not issued"
    return [Check("certificate", not served["ends_soon"], certificate_text(served), remedy)]


def keep_load(path: Path | None, told: str) -> None:
    """Leave beside the application what a load on it measured: a calibration reads it."""
    place = StateDirectory(find_file(path).parent / NAME)
    if place.root.is_dir():
        with contextlib.suppress(OSError):  # the load was sent, whatever becomes of its notes
            place.load_file.write_text(told, encoding="utf-8")


def address_of(path: Path | None, service: str) -> str:
    """The URL for load on a service: the balancer's address and the service's first route without wildcards."""
    file = find_file(path)
    url = str(Control(file).get("application")["url"])
    app = load(file)
    if not service:
        return url + "/"
    named = [one for one in app.services if one.name == service]
    if not named:
        raise FileError(f"there is no service {service!r}; choose from: {', '.join(one.name for one in app.services)}")
    paths = [route.condition.path for route in named[0].routes if not {"*", "?"} & set(route.condition.path)]
    if not paths:
        raise FileError(f"{service} has no route without wildcards; give a URL instead")
    return url + paths[0]
