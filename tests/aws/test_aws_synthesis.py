"""Synthesis of the applications as their files say: the same bytes each time, no network, no complaint."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aws import applications, audit
from aws.conftest import Synth
from flyball import aws
from flyball.aws import rules
from flyball.core.errors import FileError
from flyball.core.manifest import parse
from flyball.core.model import Application

pytestmark = pytest.mark.synth
ROOT = Path(__file__).parents[2]
FILES = sorted((*(ROOT / "apps").glob("*/flyball.toml"), *(Path(__file__).parent / "sources").glob("*/flyball.toml")))
VARIANTS = (
    applications.visitor_board(),
    applications.session_app(),
    applications.session_app_in_two_regions(),
    applications.session_app_of_the_shipped_file(),
    applications.forum(),
    applications.forum_with_certificate(),
    applications.everything_on_machines(),
    applications.everything_on_fargate(),
    applications.node_on_machines(),
    applications.images_on_fargate(),
)
EACH = """
import sys
from pathlib import Path
from flyball import aws
from flyball.core.manifest import parse
for named in sys.argv[2:]:
    file = Path(named)
    aws.synth(parse(file.read_text()), Path(sys.argv[1]) / file.parent.name, source=file.parent)
"""


def example(file: Path) -> Application:
    return parse(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_files_of_the_applications_are_not_refused(synth: Synth, file: Path):
    app = example(file)
    assert rules.refusals(app) == ()
    for stack in synth(app).values():
        assert len(stack.resources) <= 500


@pytest.fixture(scope="module")
def elsewhere(synth: Synth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files synthesized by another process; without any network where that can be taken away."""
    synth(applications.forum())
    out = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-c", EACH, str(out), *map(str, FILES)]
    subprocess.run([*_offline(), *command], check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    return out


def _offline() -> list[str]:
    """What runs a command without network; nothing when that is not allowed here."""
    unshare = shutil.which("unshare")
    return [unshare, "--net"] if unshare is not None and os.geteuid() == 0 else []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_the_same_bytes_in_another_process(elsewhere: Path, tmp_path: Path, file: Path):
    written = aws.synth(example(file), tmp_path / "here", source=file.parent)
    assert {path.name: path.read_bytes() for path in written} == {
        path.name: path.read_bytes() for path in (elsewhere / file.parent.name).iterdir()
    }
    assert any(path.name.endswith(".template.json") for path in written)


def test_without_network(elsewhere: Path):
    if not _offline():
        pytest.skip("taking the network away needs root and unshare")
    assert (elsewhere / "forum" / "forum-us-east-1.template.json").exists()


def test_nothing_is_an_asset_and_nothing_needs_bootstrap(synth: Synth):
    for app in VARIANTS:
        for stack in synth(app).values():
            whole = json.dumps(stack.template)
            assert "cdk-hnb659fds" not in whole
            assert "AWS::Lambda::Function" not in whole
            assert "Custom::" not in whole


@pytest.mark.parametrize("app", [*VARIANTS, *map(example, FILES)], ids=lambda app: f"{app.name}-{app.region_names[0]}")
def test_no_template_has_a_mistake_that_linters_miss(synth: Synth, app: Application):
    for stack in synth(app).values():
        assert audit.mistakes(stack.template) == ()


@pytest.mark.parametrize("app", VARIANTS, ids=lambda app: f"{app.name}-{app.region_names[0]}")
def test_cfn_lint_has_no_error_and_no_warning(synth: Synth, tmp_path: Path, app: Application):
    if importlib.util.find_spec("cfnlint") is None:
        pytest.skip("cfn-lint is not installed")
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    for name, stack in synth(app).items():
        region = next((region for region in app.region_names if name.endswith(region)), "us-east-1")
        found = lint(json.dumps(stack.template), config=ManualArgs(regions=[region]))
        assert [f"{match.rule.id} {match.message}" for match in found] == []


def test_a_refused_application_writes_nothing(synth: Synth, tmp_path: Path):
    synth(applications.forum())
    app = replace(applications.forum(), zones=("a",))
    with pytest.raises(FileError, match="two zones"):
        aws.synth(app, tmp_path / "out", source=ROOT / "apps" / "forum")
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_not_there_is_named(synth: Synth, tmp_path: Path):
    synth(applications.forum())
    app = applications.visitor_board()
    lost = replace(app, services=(replace(app.services[0], source="elsewhere"),))
    with pytest.raises(FileError, match="elsewhere"):
        aws.synth(lost, tmp_path / "out", source=tmp_path)
