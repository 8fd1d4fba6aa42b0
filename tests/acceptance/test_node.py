"""A program that is not Python runs under the same contract."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from acceptance.running import Running
from acceptance.small import load

pytestmark = pytest.mark.live

SERVER = """
const http = require("http");
const server = http.createServer((request, response) => {
  response.end(JSON.stringify({ instance: process.env.FLYBALL_INSTANCE, url: request.url }));
});
server.listen(process.env.PORT, process.env.HOST);
process.on("SIGTERM", () => server.close(() => process.exit(0)));
"""
FILE = """
name = "node"

[services.web]
run = "node server.js"
routes = ["/"]
health = "/"
instances = { min = 2, max = 4 }
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_a_node_program_is_scaled_and_drained_like_any_other(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": FILE, "server.js": SERVER})
    running.up()
    with load(running, rate=100) as result:
        running.flyball("scale", "web=4")
        running.until(lambda: running.service()["capacity"]["in_service"] == 4, what="four in service")

    assert result["failed"] == 0
    assert len(result["by_instance"]) == 4
