"""What stands behind the balancers: two instances each of a bare web server, a tiny JSON app, and the Visitor Board."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tomllib

from benchmarks.harness import ROOT, Stage, program
from uv import find_uv_bin

from flyball.local.process.ports import free_port

INSTANCES = 2


def bare(stage: Stage) -> list[int]:
    """A few bytes from the memory of an nginx: they cost next to nothing, so that the balancer is what is measured."""
    binary = program("nginx", "nginx-light")
    ports = [free_port() for _ in range(INSTANCES)]
    servers = "\n".join(
        f'server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 "hello from an instance\\n"; }} }}'
        for port in ports
    )
    config = stage.directory / "bare.conf"
    config.write_text(f"""
daemon off; worker_processes 1; pid {stage.directory}/bare.pid; error_log stderr warn;
events {{ worker_connections 4000; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {stage.directory}/bare-body;
{servers} }}
""")
    stage.start(
        "bare", [binary, "-p", str(stage.directory), "-c", str(config)], ready=f"http://127.0.0.1:{ports[-1]}/health"
    )
    return ports


def json_app(stage: Stage) -> list[int]:
    """An ASGI function that answers a small object, by uvicorn."""
    ports = [free_port() for _ in range(INSTANCES)]
    for number, port in enumerate(ports):
        argv = [sys.executable, "-m", "uvicorn", "benchmarks.json_app:app", "--port", str(port)]
        argv += ["--no-access-log", "--log-level", "warning"]
        stage.start(f"json-{number}", argv, directory=ROOT, ready=f"http://127.0.0.1:{port}/health")
    return ports


def board(stage: Stage) -> list[int]:
    """The Visitor Board with its own requirements and command, both instances on one SQLite file."""
    source = stage.directory / "board"
    if not source.exists():
        shutil.copytree(ROOT / "apps" / "visitor-board", source)
        for argv in (["venv"], ["pip", "install", "-r", "requirements.txt"]):
            subprocess.run([find_uv_bin(), *argv], cwd=source, check=True, capture_output=True)
    run = tomllib.loads((source / "flyball.toml").read_text())["services"]["web"]["run"]
    ports = [free_port() for _ in range(INSTANCES)]
    for number, port in enumerate(ports):
        program_name, *words = shlex.split(run.replace("$PORT", str(port)))
        argv = [str(source / ".venv" / "bin" / program_name), *words]
        environment = {"MESSAGES_URL": f"sqlite://{stage.directory}/messages.db", "VIRTUAL_ENV": str(source / ".venv")}
        ready = f"http://127.0.0.1:{port}/health"
        stage.start(f"board-{number}", argv, directory=source, environment=environment, ready=ready)
    return ports
