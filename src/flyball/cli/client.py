"""The command line's side of the control API: plain HTTP over the application's Unix socket.

It uses the standard library's client, because `flyball ps` must be quick and other clients take longer to import.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from flyball.core.errors import Failed, FileError, NotRunning
from flyball.local.paths import StateDirectory

if TYPE_CHECKING:  # what it takes to import is not needed to ask
    from flyball.core.view.shapes import ApplicationJson, EventJson
    from flyball.local.face import Process

READ_ANSWERS_S, ACT_ANSWERS_S = 60.0, 300.0  # the second keeps sources, which may be large
STOPPED_ANSWERS_S, SLOW_ANSWERS_S = 3.0, 60.0
_ABSENT = (FileNotFoundError, ConnectionError, http.client.HTTPException)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Control:
    """The control plane of the application in `file`, or of one region of it; without a region, that of the edge.

    Every call raises `NotRunning` when there is none.
    """

    def __init__(self, file: Path, region: str | None = None) -> None:
        self.region = region
        self.paths = StateDirectory(file.parent / ".flyball").of_region(region)

    def of(self, name: str) -> str:
        """What a service or instance is called beside those of other regions."""
        return name if self.region is None else f"{self.region}/{name}"

    def get(self, path: str, **query: Any) -> Any:
        """Read something; the answer as JSON."""
        known = {key: value for key, value in query.items() if value is not None}
        return self._ask("GET", f"/api/{path}?{urlencode(known)}" if known else f"/api/{path}", None)

    def application(self) -> ApplicationJson:
        """The application as it is now."""
        return cast("ApplicationJson", self.get("application"))

    def events(self, *, since: float = 0.0, service: str | None = None, limit: int | None = None) -> list[EventJson]:
        """The newest events, oldest first."""
        return cast("list[EventJson]", self.get("events", since=since, service=service, limit=limit))

    def post(self, path: str, **body: Any) -> Any:
        """Request a change. Raises `Failed` with the control plane's reason when it refuses."""
        return self._ask("POST", f"/api/{path}", json.dumps(body))

    def stream(self, *, after: int | None) -> Iterator[EventJson | None]:
        """Events as they happen; None once a second while nothing happens. Ends with the control plane."""
        connection, response = self._send("GET", "/api/stream" + ("" if after is None else f"?after={after}"), None, 30)
        try:
            for line in response:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])
                elif line.startswith(b":"):
                    yield None
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def hung(self) -> Process | None:
        """The control plane's process when it is stopped and does not answer, or nothing answers for a minute."""
        from flyball.local.face import processes  # noqa: PLC0415 - only `down` asks

        process = None
        for timeout_s in (STOPPED_ANSWERS_S, SLOW_ANSWERS_S):
            connection = _UnixConnection(self._socket, timeout_s)
            try:
                connection.request("GET", "/api/application")
                connection.getresponse()
            except TimeoutError:
                process = processes.listener(connection.sock)
                if process is not None and processes.stopped(process):
                    break
            except _ABSENT as error:
                raise NotRunning(self._absent()) from error
            else:
                return None
            finally:
                connection.close()
        return process

    def running(self) -> bool:
        """Whether a control plane answers."""
        try:
            self.get("application")
        except NotRunning:
            return False
        return True

    def _ask(self, method: str, path: str, content: str | None) -> Any:
        timeout_s = READ_ANSWERS_S if method == "GET" else ACT_ANSWERS_S
        connection, response = self._send(method, path, content, timeout_s)
        try:
            body = response.read()
        except TimeoutError as error:
            raise Failed(self._silent(timeout_s)) from error
        except (ConnectionError, http.client.HTTPException) as error:  # it exited in the middle of its answer
            raise NotRunning(self._absent()) from error
        finally:
            connection.close()
        try:
            answer = json.loads(body or b"null")
        except ValueError as error:  # it failed unexpectedly, or while it was stopping
            words = body.decode(errors="replace")
            raise Failed(f"the control plane answered {response.status}: {words}; see its log") from error
        if response.status >= 400:
            code = answer.get("exit_code") if isinstance(answer, dict) else None
            raise FileError(_sentence(answer)) if code == FileError.exit_code else Failed(_sentence(answer))
        return answer

    def _send(
        self, method: str, path: str, body: str | None, timeout_s: float
    ) -> tuple[_UnixConnection, http.client.HTTPResponse]:
        connection = _UnixConnection(self._socket, timeout_s)
        try:
            connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
            return connection, connection.getresponse()
        except _ABSENT as error:
            connection.close()
            raise NotRunning(self._absent()) from error
        except TimeoutError as error:
            connection.close()
            raise Failed(self._silent(timeout_s)) from error

    @property
    def _socket(self) -> str:
        return str(self.paths.sockets / "control.sock")

    def _silent(self, timeout_s: float) -> str:
        return (
            f"the control plane has not answered for {timeout_s:g} s: it hangs, or is very busy. Instances and balancer"
            " go on; `flyball down` ends it, too"
        )

    def _absent(self) -> str:
        if self.paths.balancer_file.exists():
            return "the control plane is not running, but what it started still is; `flyball up` takes it over"
        return f"no application is running in {self.paths.root.parent}; start it with `flyball up`"


def _sentence(answer: Any) -> str:
    return str(answer.get("detail") if isinstance(answer, dict) else answer)
