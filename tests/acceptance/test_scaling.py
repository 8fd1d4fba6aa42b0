"""Scaling, for real: out under overload and in again, by hand under load, and nothing lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from acceptance.running import Running, stopped
from acceptance.small import load
from flyball.local.record.journal import Journal

pytestmark = pytest.mark.live

# An instance that answers after a known amount of CPU: its capacity at a quarter of a core is known too.
SPINNER = """
import http.server, os, socketserver, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.path == "/slow":
            time.sleep(5)
        elif self.path != "/health":
            end = time.thread_time() + 0.005
            while time.thread_time() < end:
                pass
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")
    def log_message(self, *_):
        pass

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = False
    request_queue_size = 1024

import signal, threading
server = Server(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"""
PROGRAM = {"spinner.py": SPINNER}
FILE = """
name = "spinner"

[services.web]
run = "python3 spinner.py"
routes = ["/"]
health = "/health"
size = { cpu = 0.25, memory = "256MB" }
instances = { min = 1, max = 10 }

[services.web.scale]
target = { cpu = 50 }
"""


@pytest.fixture
def spinner(place: Callable[..., Running]) -> Running:
    running = place(files={"flyball.toml": FILE, **PROGRAM})
    running.up()
    return running


def test_overload_scales_out_and_calm_scales_in_without_a_failed_request(spinner: Running) -> None:
    sending = spinner.load("web", "--stages", "10:5s,80:25s,10:300s")
    spinner.until(lambda: spinner.service()["capacity"]["in_service"] >= 3, what="three in service")
    # Nobody scales in while other work keeps the machine wholly busy, so this waits for as long as the load lasts.
    spinner.until(lambda: spinner.service()["capacity"]["desired"] == 1, what="one again", within_s=280)
    result = stopped(sending)

    assert result["failed"] == 0, result
    events = spinner.events()
    assert any(one["kind"] == "scale_out" and "cpu" in one["reason"] for one in events)
    assert any(one["kind"] == "scale_in" and "cpu" in one["reason"] for one in events)
    assert all(one["reason"] for one in events)


def test_adaptive_scales_to_what_is_offered_and_its_journal_replays(place: Callable[..., Running]) -> None:
    file = FILE.replace("target = { cpu = 50 }", 'adaptive = { slo = "p99 < 200ms" }')
    running = place(
        files={"flyball.toml": file.replace("[services.web]", "[services.web]\nconcurrency = 4"), **PROGRAM}
    )
    running.up()
    sending = running.load("web", "--stages", "10:5s,120:120s")
    running.until(lambda: running.service()["capacity"]["in_service"] >= 3, what="three in service")
    result = stopped(sending)

    assert result["failed"] == 0, result
    first = next(one for one in running.events() if one["kind"] == "scale_out")
    assert "/s now" in first["reason"]
    assert "one request takes" in first["reason"]
    assert running.flyball("replay").returncode == 0


def test_scaling_by_hand_under_load_loses_nothing(spinner: Running) -> None:
    with load(spinner, rate=40) as result:
        spinner.flyball("scale", "web=6", "--hold", "60s")
        spinner.until(lambda: spinner.service()["capacity"]["in_service"] == 6, what="six in service")
        spinner.until_served()
        spinner.flyball("scale", "web=1", "--hold", "60s")
        spinner.until(lambda: len(spinner.service()["instances"]) == 1, what="one left")

    assert result["failed"] == 0, result
    assert len(result["by_instance"]) >= 4


def test_a_request_in_flight_is_answered_while_its_instance_is_drained(spinner: Running) -> None:
    sending = spinner.load("web", "--path", "/slow", "--rate", "2", "--for", "300s")
    spinner.flyball("scale", "web=4", "--hold", "60s")
    spinner.until(lambda: spinner.service()["capacity"]["in_service"] == 4, what="four in service")
    spinner.until(lambda: in_flight(spinner) >= 4, what="each of them has a request")
    spinner.flyball("scale", "web=1", "--hold", "60s")
    spinner.until(lambda: len(spinner.service()["instances"]) == 1, what="one left")
    result = stopped(sending)

    assert result["failed"] == 0, result
    assert result["latency_ms"]["p50"] > 4900


def in_flight(running: Running) -> int:
    """How many instances had a request under way when the control plane last looked."""
    with closing(Journal(running.paths.journal)) as journal:
        *_, last = journal.steps()
    return sum(one.in_flight > 0 for one in last.seen.instances)


def test_more_than_max_by_hand_is_refused(spinner: Running) -> None:
    refused = spinner.flyball("scale", "web=11", check=False)

    assert refused.returncode == 1
    assert "10" in refused.stderr
    assert spinner.service()["capacity"]["desired"] == 1
