"""The scripts that run on AWS, looked at by the linters of their languages; skipped by name without the linter."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from aws import applications
from aws.conftest import Synth
from aws.programs import HADOLINT, SHELLCHECK, program
from aws.shell import scripts
from aws.template import text
from flyball.aws import image

pytestmark = pytest.mark.synth


@pytest.mark.parametrize(
    "app",
    [
        applications.visitor_board(),
        applications.session_app_in_two_regions(),
        applications.forum(),
        applications.everything_on_machines(),
        applications.node_on_machines(),
        applications.images_on_fargate(),
    ],
    ids=lambda app: app.name,
)
def test_shellcheck_is_content(pytestconfig: pytest.Config, synth: Synth, tmp_path: Path, app):
    shellcheck = program(pytestconfig, SHELLCHECK, "shellcheck")
    for stack in synth(app).values():
        for name, script in scripts(stack).items():
            path = tmp_path / name
            path.write_text(script, encoding="utf-8")
            done = subprocess.run(
                [shellcheck, "--shell=bash", "--severity=warning", str(path)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "service",
    [*applications.forum().services, applications.node_on_machines().services[0]],
    ids=lambda service: service.name,
)
def test_hadolint_is_content(pytestconfig: pytest.Config, tmp_path: Path, service):
    path = tmp_path / "Dockerfile"
    path.write_text(image.dockerfile(service), encoding="utf-8")
    done = subprocess.run(
        [program(pytestconfig, HADOLINT, "hadolint"), str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_agents_configuration_is_json(synth: Synth):
    for app in (applications.visitor_board(), applications.everything_on_machines()):
        for stack in synth(app).values():
            for name, script in scripts(stack).items():
                if "END_OF_AGENT" in script:
                    body = script.split("<<'END_OF_AGENT'\n")[1].split("END_OF_AGENT")[0]
                    collected = json.loads(body)
                    assert "logs" in collected, name
                    assert ("metrics" in collected) == ("Front" in name)


def test_build_specifications_are_yaml(synth: Synth):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    for app in (applications.forum(), applications.session_app_in_two_regions()):
        for stack in synth(app).values():
            for project in stack.all("CodeBuild::Project").values():
                found = yaml.safe_load(text(project["Source"]["BuildSpec"]))
                assert found["version"] == 0.2
                assert found["phases"]["build"]["commands"][0].startswith("set -euo pipefail\n")
