"""The dashboard's server: its address, and who may use it.

It listens on loopback only. Every request for data needs the token of the printed address (as a header or in the
query), and every request a Host that names this machine (against DNS rebinding). An Origin, where there is one, must be
the page's.
"""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from flyball.local import control_api
from flyball.local.face import Journal, free_port
from flyball.local.runtime.runtime import Runtime

from . import api as dashboard_api
from .guard import Guard


@dataclass(frozen=True, slots=True)
class Panel:
    """An ASGI application, the socket to serve it on, and its address with the token."""

    app: Any
    listener: socket.socket
    url: str


def open_panel(runtime: Runtime, control: control_api.Control) -> Panel:
    """Put page and API of one application behind the guard."""
    api = control_api.create(runtime, control)
    dashboard_api.add_to(api, runtime, control)
    return guarded(api, runtime.journal)


def guarded(api: FastAPI, journal: Journal) -> Panel:
    """Bind the dashboard's port, the last one if it is free, and put an interface behind the guard."""
    token = journal.fact("token") or secrets.token_urlsafe(24)
    journal.remember("token", token)
    listener = _bind(int(journal.fact("dashboard_port") or 0))
    port = listener.getsockname()[1]
    journal.remember("dashboard_port", str(port))
    return Panel(
        app=Guard(api, token=token, port=port), listener=listener, url=f"http://127.0.0.1:{port}/?token={token}"
    )


def _bind(last: int) -> socket.socket:
    for port in [*([last] if last else []), free_port(), free_port(), free_port()]:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        listener.setblocking(False)
        return listener
    raise OSError("no free port for the dashboard")
