"""Schemathesis asks each running service what its OpenAPI document allows, and what it forbids."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from app_servers import environment
from apps.forum.running import SERVICES, running

_SCHEMATHESIS = "schemathesis==4.32.5\n"


async def schemathesis(programs: Path, address: str, *, cwd: Path) -> tuple[int, str]:
    """Its exit status and report. Every check that it has is on; 60 cases for each operation and phase."""
    process = await asyncio.create_subprocess_exec(
        programs / "schemathesis",
        "run",
        address,
        "--max-examples=60",
        "--seed=1",
        "--generation-deterministic",
        "--suppress-health-check=all",
        "--no-color",
        cwd=cwd,
        env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(cwd)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        report, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, report.decode()


# Cursors, idempotency keys, references and conditions can be refused although they have the right form.
_CONFIG = """
[[operations]]
include-operation-id = ["list-{plural}", "create-{singular}"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "422"]

[[operations]]
include-operation-id = ["read-{singular}"]
parameters = {{ id = "{id_}" }}

[[operations]]
include-operation-id = ["change-{singular}"]
parameters = {{ id = "{id_}" }}
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "412"]

[[operations]]
include-operation-id = ["delete-{singular}"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "412"]
"""


@pytest.mark.live
@pytest.mark.parametrize("name", SERVICES)
async def test_no_error_and_no_undocumented_answer(pytestconfig, tmp_path, name):
    programs = environment(pytestconfig, _SCHEMATHESIS)
    async with running(pytestconfig, tmp_path) as (router, _), aiohttp.ClientSession(router.url) as http:
        ids = {}
        for kind, body in (("users", {"name": "Ada"}), ("threads", {"title": "Engines"}), ("posts", {"text": "Hello"})):
            if kind == "posts":
                body |= {"thread_id": ids["threads"], "user_id": ids["users"]}
            async with http.post(f"/api/{kind}", json=body) as answer:
                ids[kind] = (await answer.json())["id"]
        config = _CONFIG.format(plural=name, singular=name.removesuffix("s"), id_=ids[name])
        (tmp_path / "schemathesis.toml").write_text(config)
        code, report = await schemathesis(programs, f"{router.url}/api/{name}/openapi.json", cwd=tmp_path)
    assert code == 0, report
