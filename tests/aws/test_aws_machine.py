"""A machine's first start, carried out: the user data runs here with AWS's and the system's commands played.

The script's own paths lie below a directory of the test; everything else of it runs as it is, the instance too.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from aws import applications
from flyball.aws import machine
from flyball.core.model import Service
from flyball.local.process.ports import free_port

pytestmark = pytest.mark.live
PLACES = re.compile(r"/(etc|opt|tmp|usr/local/bin|var/log)/")
FOLDERS = (
    *("bin", "etc/logrotate.d", "etc/sysctl.d", "etc/systemd/system", "opt/application", "tmp", "usr/local/bin"),
    "var/log",
)
CURL = """
case "$*" in
  *api/token*) echo token ;;
  *meta-data/instance-id*) echo i-0abc ;;
  *meta-data/placement/availability-zone*) echo zone1 ;;
  *meta-data/tags/instance/flyball-release*) echo {release} ;;
  *) exec {curl} "$@" ;;
esac
"""
AWS = """
echo "$*" >> {root}/aws.log
case "$*" in
  *get-secret-value*) echo rediss://:secret@cache:6379/0 ;;
  "s3 cp"*) cp {root}/release.tar.gz {root}/tmp/release.tar.gz ;;
esac
"""
PYTHON = """
if [ "$*" = "-m venv {root}/opt/uv" ]; then
  mkdir -p {root}/opt/uv/bin
  printf '#!/bin/sh\\n' > {root}/opt/uv/bin/pip
  chmod +x {root}/opt/uv/bin/pip
else
  exec {python} "$@"
fi
"""
SYSTEMCTL = """
if [ "$*" = "enable --now instance.service" ]; then
  set -a
  . {root}/etc/instance.env
  {root}/opt/start > {root}/var/log/instance.log 2>&1 &
  echo $! > {root}/pid
fi
"""
SHIFT = """
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
SERVER = """\
import http.server, os

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{os.environ['FLYBALL_RELEASE']} {os.environ['SESSIONS_URL']}".encode())

http.server.HTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Answer).serve_forever()
"""


class Machine:
    """A directory that plays a machine: its commands, its files, and the port of the instance."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = free_port()
        for place in FOLDERS:
            (root / place).mkdir(parents=True)
        self._command("opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl", "")

    def start(self, service: Service, release: str, *more: tuple[str, str], image: str | None = None) -> None:
        """Run the user data of `service`, as the machine of `release` would."""
        for name in ("dnf", "useradd", "chown", "install"):
            self._command(f"bin/{name}", "")
        for name, text in (("sleep", f"exec {shutil.which('sleep')} 0.2"), ("runuser", SHIFT)):
            self._command(f"bin/{name}", text)
        curl = CURL.format(release=release, curl=shutil.which("curl"))
        for name, text in (("curl", curl), ("aws", AWS), ("systemctl", SYSTEMCTL), ("python3.11", PYTHON), *more):
            self._command(f"bin/{name}", text)
        environment = {"FLYBALL_HEALTH": service.health.path, "HOST": "127.0.0.1", "PORT": str(self.port)}
        script = machine.user_data(
            service,
            region="eu-north-1",
            zones={"zone0": "a", "zone1": "b"},
            releases="releases",
            image=image,
            group="shop-web",
            environment=environment,
            secrets={"SESSIONS_URL": "arn:secret"},
            log_group="/flyball/shop/web",
            stack="shop-eu-north-1",
            target_group="arn:group",
        )
        script = PLACES.sub(rf"{self.root}/\1/", script).replace("0.0.0.0", "127.0.0.1")
        path = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", script], env=path, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr

    @property
    def calls(self) -> list[str]:
        """What was asked of AWS."""
        return (self.root / "aws.log").read_text(encoding="utf-8").splitlines()

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of the instance's answer."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def stop(self) -> None:
        """End the instance."""
        pid = self.root / "pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)

    def _command(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        filled = text.replace("{root}", str(self.root)).replace("{python}", sys.executable)
        path.write_text(f"#!/bin/sh\n{filled}", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Machine]:
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    made = Machine(tmp_path)
    yield made
    made.stop()


READY = (
    "autoscaling complete-lifecycle-action --lifecycle-action-result CONTINUE --lifecycle-hook-name ready "
    "--auto-scaling-group-name shop-web --instance-id i-0abc"
)
WAITS = "elbv2 wait target-in-service --target-group-arn arn:group --targets Id=i-0abc"
SIGNALS = (
    "cloudformation signal-resource --stack-name shop-eu-north-1 --logical-resource-id WebScalingGroup "
    "--unique-id i-0abc --status SUCCESS"
)


def test_without_a_release_a_placeholder_joins_the_balancer(there: Machine):
    there.start(applications.visitor_board().services[0], "none")
    assert there.calls[-3:] == [READY, WAITS, SIGNALS]
    assert there.get("/health")[0] == 200
    assert there.get("/") == (503, "no release yet: push the source\n")


def test_a_release_is_fetched_built_started_and_joins_the_balancer(there: Machine):
    source = there.root / "server.py"
    source.write_text(SERVER, encoding="utf-8")
    with tarfile.open(there.root / "release.tar.gz", "w:gz") as archive:
        archive.add(source, "server.py")
    service = replace(applications.visitor_board().services[0], build="touch built", run="python3.11 server.py")
    there.start(service, "0123456789ab")
    assert there.calls[-3:] == [READY, WAITS, SIGNALS]
    assert "s3 cp --only-show-errors s3://releases/web/0123456789ab.tar.gz" in there.calls[1]
    assert (there.root / "opt/application/built").exists()
    assert there.get("/") == (200, "0123456789ab rediss://:secret@cache:6379/0")


DOCKER = """
echo "$*" >> {root}/docker.log
if [ "$1" = run ]; then exec env {python} {root}/server.py; fi
"""


def test_an_image_is_pulled_and_started_by_docker_with_the_same_variables(there: Machine):
    (there.root / "server.py").write_text(SERVER, encoding="utf-8")
    service = replace(applications.visitor_board().services[0], run="./server", dockerfile="Dockerfile")
    there.start(service, "0123456789ab", ("docker", DOCKER), ("sysctl", ""), image="1.dkr.ecr.eu/shop/web")
    login, pull, run = (there.root / "docker.log").read_text(encoding="utf-8").splitlines()
    assert login == "login --username AWS --password-stdin 1.dkr.ecr.eu"
    assert pull == "pull --quiet 1.dkr.ecr.eu/shop/web:0123456789ab"
    assert run.endswith(" --env SESSIONS_URL 1.dkr.ecr.eu/shop/web:0123456789ab")
    for name in ("PORT", "FLYBALL_INSTANCE", "FLYBALL_RELEASE", "FLYBALL_ZONE"):
        assert f" --env {name} " in run
    assert there.calls[-3:] == [READY, WAITS, SIGNALS]
    assert there.get("/") == (200, "0123456789ab rediss://:secret@cache:6379/0")


def test_before_the_first_image_a_placeholder_joins_the_balancer(there: Machine):
    service = replace(applications.visitor_board().services[0], dockerfile="Dockerfile")
    there.start(service, "none", ("docker", ""), ("sysctl", ""), image="1.dkr.ecr.eu/shop/web")
    assert there.get("/") == (503, "no release yet: push the source\n")
