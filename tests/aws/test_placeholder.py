"""What answers before the first release speaks TLS when the balancer does."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

import waiting
from flyball.core.model import Service

pytest.importorskip("aws_cdk", reason="needs the aws extra")
from flyball.aws.commands import placeholder
from flyball.local.process.ports import free_port

pytestmark = [pytest.mark.live, pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")]


@pytest.mark.parametrize("tls", [False, True])
def test_it_is_healthy_and_has_no_release(tls: bool):
    port = free_port()
    program = placeholder(Service(name="web", run="x", tls=tls)).replace("0.0.0.0", "127.0.0.1")
    environment = {**os.environ, "FLYBALL_HEALTH": "/health", "PORT": str(port)}
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE

    def status(path: str) -> int:
        try:
            with urlopen(f"http{'s' * tls}://127.0.0.1:{port}{path}", context=anybody, timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code
        except URLError:
            return 0

    with subprocess.Popen([sys.executable, "-c", program], env=environment) as process:
        try:
            waiting.until(lambda: status("/health") == 200, what="it is healthy")
            assert status("/") == 503
        finally:
            process.kill()
