"""Envoy as `flyball up` runs it, and nginx, HAProxy and Caddy set up for the same work, one thread each.

The same work: three routes by path, health checks, retries on another instance, an access log with the same fields,
connections kept open to the instances, forwarding headers, a request id, and `x-flyball-instance` on each answer.
nginx checks health only by the requests themselves: active checks are not in the free version.
With `limit`, an instance works on so many requests at a time, where the balancer has a queue for the others: Envoy and
HAProxy have one, nginx's free version and Caddy do not.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.harness import Stage, Started, program

from flyball.core.manifest import parse
from flyball.local.envoy import files, process
from flyball.local.envoy.config import bootstrap, resources
from flyball.local.envoy.config.endpoints import Endpoint
from flyball.local.process.ports import free_port

MANIFEST = """
name = "benchmark"
[services.web]
run = "true"
routes = ["/", "/api", "/admin"]
health = "/health"
concurrency = {concurrency}
"""
LOG_FIELDS = (
    "msec,request_id,remote_addr,http_x_forwarded_for,request_method,host,request_uri,server_protocol,status,"
    "upstream_addr,request_time,upstream_response_time,request_length,body_bytes_sent,http_user_agent"
)
ROUTES = ("/", "/api/", "/admin/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A running balancer. `serve` gives it other instances, by port, without a restart; the first ones stay."""

    started: Started
    port: int
    serve: Callable[[Sequence[int]], None]


def envoy(stage: Stage, ports: Sequence[int], *, limit: int | None = None) -> Peer:
    """From the very builders that `up` uses, with its command line."""
    port = free_port()
    directory = _own(stage, "envoy")
    app = parse(MANIFEST.format(concurrency='"auto"' if limit is None else limit))

    def serve(ports: Sequence[int]) -> None:
        endpoints = [
            Endpoint(instance=f"web-{n}", port=p, weight=1, draining=False, zone="a") for n, p in enumerate(ports, 1)
        ]
        written = resources.files(
            app,
            {"web": endpoints},
            directory=str(directory),
            port=port,
            inside_port=port,  # without a certificate nobody listens there
            access_log=str(directory / "access.log"),
            certificate=None,
        )
        files.write(directory, written)

    serve(ports)
    start = bootstrap.bootstrap(directory=str(directory), admin_socket=str(directory / "admin.sock"), name="benchmark")
    files.write(directory, {"bootstrap.json": start})
    command = process.command(bootstrap=directory / "bootstrap.json", log=directory / "envoy.log", concurrency=1)
    started = stage.start("envoy", command, ready=f"http://127.0.0.1:{port}/health")
    return Peer(started=started, port=port, serve=serve)


def nginx(stage: Stage, ports: Sequence[int], *, limit: int | None = None) -> Peer:  # noqa: ARG001 - it has no queue
    """Debian's nginx, one worker."""
    binary = program("nginx", "nginx-light")
    port = free_port()
    directory = _own(stage, "nginx")
    log = ",".join(f'"{field}":"${field}"' for field in LOG_FIELDS.split(","))
    locations = "\n".join(
        f"""location {route} {{ proxy_pass http://web; proxy_http_version 1.1;
  proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Request-Id $request_id;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
  proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 3;
  add_header x-flyball-instance $upstream_addr always; }}"""
        for route in ROUTES
    )
    temporary = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy"))
    config = directory / "nginx.conf"

    def write(ports: Sequence[int]) -> None:
        servers = " ".join(f"server 127.0.0.1:{p} max_fails=3 fail_timeout=5s;" for p in ports)
        config.write_text(f"""
daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log stderr warn;
events {{ worker_connections 4000; }}
http {{ {temporary} keepalive_requests 1000000000;
log_format fields escape=json '{{{log}}}'; access_log {directory}/access.log fields buffer=64k flush=1s;
upstream web {{ {servers} keepalive 256; keepalive_requests 1000000000; }}
server {{ listen 127.0.0.1:{port} backlog=4096; {locations} }} }}
""")

    write(ports)
    argv = [binary, "-p", str(directory), "-c", str(config)]
    started = stage.start("nginx", argv, ready=f"http://127.0.0.1:{port}/health")

    def serve(ports: Sequence[int]) -> None:
        write(ports)
        os.kill(started.process.pid, signal.SIGHUP)

    return Peer(started=started, port=port, serve=serve)


def haproxy(stage: Stage, ports: Sequence[int], *, limit: int | None = None) -> Peer:
    """Debian's HAProxy, one thread."""
    binary = program("haproxy", "haproxy")
    port = free_port()
    directory = _own(stage, "haproxy")
    most = "" if limit is None else f" maxconn {limit}"
    servers = "\n".join(f"  server web-{n} 127.0.0.1:{p} check inter 5s{most}" for n, p in enumerate(ports, 1))
    routes = "\n".join(f"  use_backend web if {{ path_beg {route} }}" for route in reversed(ROUTES))
    log = "%[date] %ID %ci %[capture.req.hdr(0)] %HM %HU %HV %ST %b %s %Ta %Tr %U %B %[capture.req.hdr(1)]"
    config = directory / "haproxy.cfg"
    config.write_text(f"""
global
  nbthread 1
  maxconn 4000
  log stdout format raw local0
  stats socket {directory}/admin.sock level admin
defaults
  mode http
  log global
  timeout client 60s
  timeout server 60s
  timeout connect 10s
  retries 3
  option redispatch
  retry-on conn-failure empty-response 503
  http-reuse always
frontend entrance
  bind 127.0.0.1:{port}
  unique-id-format %{{+X}}o%ci:%cp_%ts_%rt
  unique-id-header X-Request-Id
  capture request header X-Forwarded-For len 64
  capture request header User-Agent len 64
  log-format "{log}"
{routes}
backend web
  balance roundrobin
  option forwardfor
  option httpchk GET /health
  http-response set-header x-flyball-instance %s
{servers}
""")
    started = stage.start("haproxy", [binary, "-f", str(config)], ready=f"http://127.0.0.1:{port}/health")

    def serve(wanted: Sequence[int]) -> None:
        for number, one in enumerate(wanted[len(ports) :], len(ports) + 1):
            name = f"web/web-{number}"
            for words in (f"add server {name} 127.0.0.1:{one}{most}", f"enable server {name}"):
                _tell(directory / "admin.sock", words)

    return Peer(started=started, port=port, serve=serve)


def caddy(stage: Stage, ports: Sequence[int], *, limit: int | None = None) -> Peer:  # noqa: ARG001 - it has no queue
    """Caddy, one thread of Go."""
    binary = program("caddy", "caddy")
    port = free_port()
    directory = _own(stage, "caddy")
    config = directory / "Caddyfile"

    def write(ports: Sequence[int]) -> None:
        targets = " ".join(f"127.0.0.1:{p}" for p in ports)
        proxy = f"""reverse_proxy {targets} {{
    lb_policy round_robin
    lb_retries 3
    health_uri /health
    health_interval 5s
    header_up X-Request-Id {{http.request.uuid}}
    header_down x-flyball-instance {{http.reverse_proxy.upstream.hostport}}
  }}"""
        config.write_text(f"""{{
  admin unix/{directory}/admin.sock
  auto_https off
}}
http://127.0.0.1:{port} {{
  bind 127.0.0.1
  log {{
    output file {directory}/access.log
  }}
  handle /api/* {{
    {proxy}
  }}
  handle /admin/* {{
    {proxy}
  }}
  handle {{
    {proxy}
  }}
}}
""")

    write(ports)
    from_file = ["--config", str(config), "--adapter", "caddyfile"]
    home = str(directory)
    environment = {"GOMAXPROCS": "1", "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
    ready = f"http://127.0.0.1:{port}/health"
    started = stage.start("caddy", [binary, "run", *from_file], environment=environment, ready=ready)

    def serve(ports: Sequence[int]) -> None:
        write(ports)
        words = [binary, "reload", *from_file, "--address", f"unix/{directory}/admin.sock"]
        subprocess.run(words, env={**os.environ, **environment}, check=True, capture_output=True)

    return Peer(started=started, port=port, serve=serve)


class Start(Protocol):
    """Starts a balancer in front of the instances at `ports`."""

    def __call__(self, stage: Stage, ports: Sequence[int], *, limit: int | None = None) -> Peer: ...


PEERS: dict[str, Start] = {"envoy": envoy, "nginx": nginx, "haproxy": haproxy, "caddy": caddy}


def _tell(path: Path, words: str) -> None:
    """A command on HAProxy's own socket."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(path))
        admin.sendall(f"{words}\n".encode())
        answer = admin.recv(4096).decode().strip()
    if answer and "registered" not in answer:
        raise SystemExit(f"haproxy, {words}: {answer}")


def _own(stage: Stage, name: str) -> Path:
    directory = stage.directory / name
    directory.mkdir()
    return directory
