"""The working copy goes to AWS without a push; a build refuses a file that is not the one that is deployed."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from aws import applications
from aws.cloud import Scripted
from flyball.aws import buildspec, deployment
from flyball.aws.deployment import StackPlan
from flyball.aws.deployment.account import Account
from flyball.aws.running import There, upload
from flyball.core.errors import Failed, NotRunning


def names(packed: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.namelist()


def written(directory: Path, *files: str) -> Path:
    for name in files:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    return directory


def test_git_says_what_belongs_to_the_working_copy(tmp_path: Path):
    written(tmp_path, "flyball.toml", "app.py", "new.py", "secret.env", "gone.py")
    (tmp_path / ".gitignore").write_text("*.env\n", encoding="utf-8")
    for words in (["init", "--quiet"], ["add", "app.py", "gone.py", "flyball.toml"]):
        subprocess.run(["git", "-C", tmp_path, *words], check=True)
    (tmp_path / "gone.py").unlink()
    (tmp_path / "out").symlink_to("/etc/hostname")
    assert names(upload.packed(tmp_path)) == [".gitignore", "app.py", "flyball.toml", "new.py"]


def test_without_git_what_tools_make_is_left_out(tmp_path: Path):
    written(tmp_path, "flyball.toml", "web/app.py", ".venv/bin/python", "node_modules/x/i.js", "web/__pycache__/a.pyc")
    (tmp_path / "web/app.py").chmod(0o755)
    packed = upload.packed(tmp_path)
    assert names(packed) == ["flyball.toml", "web/app.py"]
    assert packed == upload.packed(tmp_path)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.getinfo("web/app.py").external_attr >> 16 == 0o100755


def action(name: str, status: str, **output: Any) -> dict[str, Any]:
    return {"stageName": "Build", "actionName": name, "status": status, "output": output, "startTime": name}


def there(statuses: list[str], *actions: list[dict[str, Any]]) -> tuple[There, Scripted]:
    group = {"AutoScalingGroupName": "visitor-board-web"}
    client = Scripted(
        {
            "describe_auto_scaling_groups": {"AutoScalingGroups": [group]},
            "put_object": {"VersionId": "v1"},
            "start_pipeline_execution": {"pipelineExecutionId": "e-1"},
            "get_pipeline_execution": [{"pipelineExecution": {"status": status}} for status in statuses],
            "list_action_executions": [{"actionExecutionDetails": each} for each in actions],
        }
    )
    account = Account(number="123456789012", principal="me", clients=client.clients)
    return There(app=applications.visitor_board(), region="eu-north-1", account=account), client


def test_a_release_is_sent_started_and_followed_to_its_end(tmp_path: Path):
    region, client = there(
        ["InProgress", "InProgress", "Succeeded"],
        [action("a-upload", "Succeeded"), action("build", "InProgress")],
        [action("a-upload", "Succeeded"), action("build", "Succeeded"), action("web", "InProgress")],
        [action("a-upload", "Succeeded"), action("build", "Succeeded"), action("web", "Succeeded")],
    )
    said: list[str] = []
    upload.release(region, written(tmp_path, "flyball.toml"), say=said.append, pause=lambda seconds: None)
    calls = dict(client.calls)
    assert calls["put_object"]["Bucket"] == "visitor-board-artifacts-123456789012-eu-north-1"
    assert calls["put_object"]["ExpectedBucketOwner"] == "123456789012"
    assert calls["start_pipeline_execution"] == {
        "name": "visitor-board-upload",
        "sourceRevisions": [{"actionName": "upload", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": "v1"}],
    }
    assert [line.split()[1:] for line in said[1:]] == [
        ["a-upload", "succeeded"], ["build", "inprogress"], ["build", "succeeded"], ["web", "inprogress"],
        ["web", "succeeded"],
    ]  # fmt: skip


def test_a_release_that_fails_says_where_and_why(tmp_path: Path):
    result = {"externalExecutionSummary": "pytest failed", "externalExecutionUrl": "https://build/1"}
    region, _ = there(["Failed"], [action("build-and-test", "Failed", executionResult=result)])
    said = "visitor-board-upload: failed: build-and-test: pytest failed: https://build/1; what served before still"
    with pytest.raises(Failed, match=said):
        upload.release(region, written(tmp_path, "a"), say=lambda line: None, pause=lambda seconds: None)


def test_nothing_is_sent_to_an_application_that_is_not_deployed(tmp_path: Path):
    region, client = there([])
    client.script = {"describe_auto_scaling_groups": {"AutoScalingGroups": []}}
    with pytest.raises(NotRunning):
        upload.release(region, tmp_path, say=lambda line: None)
    assert "put_object" not in dict(client.calls)


def test_a_build_refuses_a_file_that_is_not_the_one_that_is_deployed(tmp_path: Path):
    file = tmp_path / "flyball.toml"
    file.write_text('name = "shop"  # the same but for words like these\n', encoding="utf-8")
    deployed = buildspec.digest(tmp_path)
    assert deployed is not None

    def build() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", buildspec.SAME_FILE, deployed],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    file.write_text('name = "shop"\n', encoding="utf-8")
    assert build().returncode == 0
    file.write_text('name = "shop"\nzones = 3\n', encoding="utf-8")
    refused = build()
    assert refused.returncode == 1
    assert "Deploy it with: flyball aws deploy" in refused.stderr
    assert buildspec.digest(tmp_path / "nowhere") is None


def execution(status: str, at: str) -> dict[str, Any]:
    return {"status": status, "startTime": at}


@pytest.mark.parametrize(
    ("pushes", "uploads", "started"),
    [
        ([execution("Succeeded", "2")], [execution("Succeeded", "1")], "visitor-board"),
        ([execution("Failed", "3")], [execution("Succeeded", "1")], "visitor-board-upload"),
        ([execution("Failed", "3")], [], None),
    ],
)
def test_a_deployment_of_a_changed_file_builds_the_last_source_again(
    pushes: list[dict[str, Any]], uploads: list[dict[str, Any]], started: str | None
):
    runs = [{"pipelineExecutionSummaries": each} for each in (pushes, uploads)]
    client = Scripted({"list_pipeline_executions": runs})
    account = Account(number="1", principal="me", clients=client.clients)
    said: list[str] = []
    desk = deployment.Desk(say=said.append, agree=lambda question: True)
    plan = StackPlan(name="visitor-board-eu-north-1", region="eu-north-1", template="{}")
    deployment._build_again(applications.visitor_board(), account, plan, desk)
    assert dict(client.calls).get("start_pipeline_execution", {}).get("name") == started
    assert len(said) == (started is not None)
