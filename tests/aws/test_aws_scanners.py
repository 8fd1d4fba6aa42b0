"""checkov and cdk-nag: each finding is mended or accepted with a written reason."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aws import accepted, applications
from aws.conftest import Synth
from aws.programs import CHECKOV, program
from flyball.core.model import Application

pytestmark = pytest.mark.synth
APPLICATIONS = (
    applications.visitor_board(),
    applications.session_app_in_two_regions(),
    applications.forum(),
    applications.everything_on_fargate(),
    applications.node_on_machines(),
    applications.images_on_fargate(),
)
PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "aws.md"


def test_checkov(pytestconfig: pytest.Config, synth: Synth, tmp_path: Path):
    checkov = str(program(pytestconfig, CHECKOV, "checkov"))
    for app in APPLICATIONS:
        for name, stack in synth(app).items():
            path = tmp_path / f"{name}.template.json"
            path.write_text(json.dumps(stack.template), encoding="utf-8")
    command = [checkov, "--directory", str(tmp_path), "--framework", "cloudformation", "--quiet", "--output", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 500
    assert report["summary"]["parsing_errors"] == 0
    found = {check["check_id"]: check["resource"] for check in report["results"]["failed_checks"]}
    assert found.keys() == accepted.CHECKOV.keys(), found


def test_cdk_nag(synth: Synth, tmp_path: Path):
    if importlib.util.find_spec("cdk_nag") is None:
        pytest.skip("cdk-nag is not installed")
    rules = set()
    for app in APPLICATIONS:
        synth(app)
        rules |= set(_nagged(app, tmp_path / app.name))
    assert {rule for rule in rules if accepted.reason(rule) is None} == set()
    assert set(accepted.CDK_NAG) <= rules, "a reason that no finding needs any more"


def _nagged(app: Application, directory: Path) -> Iterator[str]:
    """The names of all rules that cdk-nag finds broken."""
    import aws_cdk as cdk
    import cdk_nag

    from flyball.aws import synthesis

    assert app.aws is not None
    scope = synthesis.application(app, app.aws, str(directory))
    cdk.Validations.of(scope).add_plugins(cdk_nag.AwsSolutionsChecks(scope))
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        scope.synth()
    yield from _rule_names(json.loads((directory / "validation-report.json").read_text(encoding="utf-8")))


def _rule_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "ruleName" in value:
            yield str(value["ruleName"])
        for each in value.values():
            yield from _rule_names(each)
    elif isinstance(value, list):
        for each in value:
            yield from _rule_names(each)


def test_every_reason_stands_in_the_docs():
    page = PAGE.read_text(encoding="utf-8")
    assert [reason for reason in accepted.all_reasons() if reason not in page] == []
