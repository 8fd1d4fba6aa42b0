"""With TLS at the door, services still reach each other through the balancer."""

from __future__ import annotations

import ssl
import sys
import urllib.request
from collections.abc import Callable

import pytest

from acceptance.running import Running
from flyball.local.envoy import certificate
from flyball.local.process.ports import free_port

pytestmark = pytest.mark.live

SERVER = """
import os, signal, ssl, sys, threading, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"word from the other service"
        if self.path == "/ask":
            with urllib.request.urlopen(os.environ["FLYBALL_URL"] + "/tell", timeout=10) as answer:
                body = answer.read()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
if sys.argv[1:]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:])
    server.socket = context.wrap_socket(server.socket, server_side=True)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
FILE = f"""
name = "secure"

[defaults]
health = "/health"
instances = {{ min = 1, max = 1 }}

[services.asks]
run = "{sys.executable} server.py"
routes = ["/"]

[services.tells]
run = "{sys.executable} server.py inner/certificate.pem inner/key.pem"
tls = {{ ca = "inner/certificate.pem" }}
routes = ["/tell"]

[listener]
tls = true
"""


def asked(url: str) -> bytes:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"{url}/ask", timeout=60, context=anybody) as answer:
        return answer.read()


def test_a_service_asks_another_that_speaks_tls_through_the_balancer(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": FILE, "server.py": SERVER})
    certificate.self_made(running.directory / "inner")
    running.up()
    url = running.ps()["url"]

    assert url.startswith("https://")
    assert asked(url) == b"word from the other service"

    running.kill_control_plane()
    running.flyball("up", "-d")
    assert asked(url) == b"word from the other service"


def test_a_certificate_that_is_not_there_starts_nothing_and_changes_nothing(place: Callable[..., Running]) -> None:
    missing = 'tls = { certificate = "chain.pem", key = "key.pem" }'
    running = place(files={"flyball.toml": FILE.replace("tls = true", missing), "server.py": SERVER})
    certificate.self_made(running.directory / "inner")

    done = running.flyball("up", "-d", "--port", str(free_port()), check=False)
    assert done.returncode == 2
    assert "listener.tls.certificate" in done.stderr
    assert "chain.pem cannot be read" in done.stderr

    (running.directory / "flyball.toml").write_text(FILE)
    running.up()
    url = running.ps()["url"]
    (running.directory / "flyball.toml").write_text(FILE.replace("tls = true", missing))
    done = running.flyball("deploy", check=False)
    assert done.returncode == 2
    assert "chain.pem cannot be read" in done.stderr
    assert asked(url) == b"word from the other service"

    own = 'tls = { certificate = "certificate.pem", key = "key.pem" }'
    certificate.self_made(running.directory)
    (running.directory / "flyball.toml").write_text(FILE.replace("tls = true", own))
    running.flyball("deploy")
    assert asked(url) == b"word from the other service"
    assert running.ps()["certificate"]["from"] == "file"
    assert "days left (file)" in running.flyball("doctor", check=False).stdout
    (running.directory / "key.pem").write_text("half")
    running.until(lambda: running.told("certificate_refused"), what="a pair of no use is refused")
    assert asked(url) == b"word from the other service"
    certificate.self_made(running.directory / "new")
    for name in ("key.pem", "certificate.pem"):
        (running.directory / "new" / name).replace(running.directory / name)
    address = url.removeprefix("https://").split(":")
    found = (running.directory / "certificate.pem").read_text()
    running.until(
        lambda: ssl.get_server_certificate((address[0], int(address[1]))) == found,
        what="the new certificate is served",
    )
    running.until(lambda: running.told("certificate"), what="it is told")
