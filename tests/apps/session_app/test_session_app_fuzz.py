"""Schemathesis asks what nobody thought of: no 500, no status that the description does not name."""

import subprocess
from pathlib import Path

import pytest

from app_servers import Server, environment

# In an environment of its own: it needs other versions of what we use ourselves.
SCHEMATHESIS = "schemathesis==4.32.5\n"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance"
CHECKS += ",response_schema_conformance,missing_required_header,unsupported_method,allow_header_conformance"


@pytest.mark.live
def test_no_answer_is_a_surprise(app: Server, pytestconfig: pytest.Config, tmp_path: Path) -> None:
    program = environment(pytestconfig, SCHEMATHESIS) / "st"
    # /load is left out: its valid numbers take up to a minute of a processor each.
    words = ["--exclude-path", "/load/{ms}", "--checks", CHECKS, "--max-examples", "40", "--seed", "1", "--no-color"]
    words += ["--continue-on-failure", "--max-response-time", "10", "--generation-database", "none"]
    run = subprocess.run(
        [program, "run", app.url + "/openapi.json", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=250,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]
    assert "Tested: 6" in run.stdout
