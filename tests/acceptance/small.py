"""A small application without a build, whose releases differ by what they do wrong; and what its journal proves."""

from __future__ import annotations

import contextlib
import json
import math
import signal
from collections.abc import Iterator
from typing import Any

from acceptance.running import Running, result_of
from flyball.core.control.replay import replayed
from flyball.core.control.state import State
from flyball.local.record.journal import Journal

# A stop takes no request from anybody: it is out of the balancer by then.
_SERVER = """
import http.server, os, signal, sys, threading, time
settings = {settings!r}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/slow":
            time.sleep(5)
        status = settings["health"] if self.path == "/health" else settings["status"]
        body = settings["word"].encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024

def crash():
    time.sleep(settings["crash_s"])
    print("fatal: the widget came off", flush=True)
    os._exit(7)

print("starting", settings["word"], flush=True)
if settings["crash_s"] == 0:
    sys.exit("fatal: no widget was found")
if settings["crash_s"] is not None:
    threading.Thread(target=crash, daemon=True).start()
time.sleep(settings["start_s"])
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def server(
    word: str, *, status: int = 200, health: int = 200, start_s: float = 0.0, crash_s: float | None = None
) -> str:
    """The program of one release. It answers `word`; `crash_s` is when it crashes (0: at once)."""
    settings = {"word": word, "status": status, "health": health, "start_s": start_s, "crash_s": crash_s}
    return _SERVER.format(settings=settings)


def file(*, instances: str = "{ min = 3, max = 4 }", deploy: str = "", test: str = "", grace: str = "60s") -> str:
    """Its flyball.toml. `deploy` are further keys of the deploy table; `grace` is how long a start may take."""
    return f"""name = "small"

[services.web]
run = "python3 server.py"
routes = ["/"]
health = {{ path = "/health", every = "1s", timeout = "900ms", unhealthy_after = 5, grace = "{grace}" }}
size = {{ cpu = 0.5, memory = "128MB" }}
instances = {instances}
{test}

[services.web.deploy]
drain = "10s"
{deploy}
"""


@contextlib.contextmanager
def load(running: Running, *, rate: int = 200, name: str = "web") -> Iterator[dict[str, Any]]:
    """Requests for as long as the block lasts; the dictionary is the load's result afterwards."""
    result: dict[str, Any] = {}
    sending = running.load(name, "--rate", str(rate), "--for", "300s")
    try:
        running.until_served()  # so that there is a before
        yield result
        running.until_served()  # and an after
        sending.send_signal(signal.SIGINT)
        result.update(result_of(sending))
    finally:
        sending.kill()
        sending.communicate()


def states(running: Running) -> list[tuple[float, State]]:
    """Every state that the journal's steps led to, with its time, by stepping them again."""
    with contextlib.closing(Journal(running.paths.journal)) as journal:
        return [(one.recorded.at, one.step.state) for one in replayed(journal.steps())]


def bounds_held(running: Running, *, desired: int, service: str = "web", minimum: int = 100, maximum: int = 200) -> int:
    """Check every step of a service's rollouts against its percentages; how many steps that were.

    A rollout that began with too few healthy instances is not held to the minimum.
    """
    checked, began_well = 0, False
    before: State | None = None
    for _, state in states(running):
        now = state.service(service)
        mine = [one for one in state.instances if one.service == service]
        healthy = sum(one.healthy for one in mine)
        running_before = before is not None and before.service(service).rollout is not None
        if now.rollout is not None and now.rollout.from_release is not None:
            if not running_before:
                began_well = healthy >= desired
            checked += 1
            assert len(mine) <= desired * maximum // 100, [(one.id, one.lifecycle) for one in mine]
            if began_well:
                assert healthy >= math.ceil(desired * minimum / 100), [(one.id, one.health) for one in mine]
        before = state
    return checked


def kinds(running: Running, *, service: str = "web") -> list[str]:
    """The kinds of a service's decisions, in order."""
    return [event["kind"] for event in running.events() if event["service"] == service]


def pipeline(running: Running) -> list[dict[str, Any]]:
    """What `flyball pipeline --json` says."""
    return list(json.loads(running.flyball("pipeline", "--json").stdout))
