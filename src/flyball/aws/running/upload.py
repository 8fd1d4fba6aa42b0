"""`flyball aws release`: the working copy, sent to the pipeline without a push, and followed to its end.

The pipeline `NAME-upload` has the same build and rollouts as that of the pushes; its source is an object in S3.
"""

from __future__ import annotations

import io
import os
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flyball.aws.names import UPLOADED, bucket, upload_pipeline
from flyball.core.errors import Failed, FileError

from .place import There

LEFT_OUT = frozenset((".flyball", ".git", ".hg", ".svn", ".venv", "__pycache__", "cdk.out", "node_modules", "venv"))
OLDEST = (1980, 1, 1, 0, 0, 0)
"""The same files make the same archive."""
LARGEST = 1024**3
POLL_S = 5.0
ENDED = frozenset(("Succeeded", "Failed", "Stopped", "Superseded", "Cancelled"))
Say = Callable[[str], None]
Pause = Callable[[float], None]


def packed(directory: Path) -> bytes:
    """The working copy as an archive: in a git work tree what git does not ignore, else all but what tools make."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(_files(directory)):
            path = directory / name
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.external_attr = (0o100755 if os.access(path, os.X_OK) else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    if held.tell() > LARGEST:
        raise FileError(f"{directory} is larger than 1 GB packed; a build on AWS takes no more")
    return held.getvalue()


def _files(directory: Path) -> Iterator[str]:
    told = subprocess.run(
        ["git", "-C", str(directory), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=False,
    )
    if told.returncode == 0:
        names = [os.fsdecode(name) for name in told.stdout.split(b"\0") if name]
    else:
        names = list(_walked(directory))
    root = directory.resolve()
    for name in names:
        path = (directory / name).resolve()
        # A file may be deleted and yet known to git, and a link may lead out.
        if path.is_file() and path.is_relative_to(root):
            yield name


def _walked(directory: Path) -> Iterator[str]:
    for here, folders, files in os.walk(directory):
        folders[:] = [each for each in folders if each not in LEFT_OUT]
        yield from (str(Path(here, name).relative_to(directory)) for name in files)


def release(region: There, directory: Path, *, say: Say, pause: Pause = time.sleep) -> None:
    """Send the working copy and wait for build, test and rollout. Raises Failed with what AWS says."""
    for service in region.app.services:
        region.described(service)
    archive = packed(directory)
    where = bucket(region.app.name, "artifacts", region.account.number, region.region)
    say(f"sending {len(archive) / 1024:.0f} KB to {where}")
    sent = region.client("s3").put_object(
        Bucket=where, Key=UPLOADED, Body=archive, ExpectedBucketOwner=region.account.number
    )
    revision = {
        "actionName": "upload", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": sent["VersionId"],
    }  # fmt: skip
    name = upload_pipeline(region.app.name)
    started = region.client("codepipeline").start_pipeline_execution(name=name, sourceRevisions=[revision])
    follow(region, name, started["pipelineExecutionId"], say=say, pause=pause)


def follow(region: There, name: str, execution: str, *, say: Say, pause: Pause) -> None:
    """Report every action of a pipeline's run until it ends. Raises Failed unless it succeeded."""
    pipeline = region.client("codepipeline")
    told: dict[str, str] = {}
    while True:
        # The status is read before the actions, so the last one is never missed.
        status = pipeline.get_pipeline_execution(pipelineName=name, pipelineExecutionId=execution)["pipelineExecution"][
            "status"
        ]
        actions = _actions(pipeline, name, execution)
        for each in actions:
            if told.get(each["actionName"]) != each["status"]:
                told[each["actionName"]] = each["status"]
                say(f"  {each['stageName'].lower():<8} {each['actionName']:<24} {each['status'].lower()}")
        if status in ENDED:
            break
        pause(POLL_S)
    if status != "Succeeded":
        raise Failed(f"{name}: {status.lower()}{_why(actions)}; what served before still serves")


def _actions(pipeline: Any, name: str, execution: str) -> list[Mapping[str, Any]]:
    told = pipeline.list_action_executions(pipelineName=name, filter={"pipelineExecutionId": execution})
    return sorted(told["actionExecutionDetails"], key=lambda each: str(each.get("startTime", "")))


def _why(actions: list[Mapping[str, Any]]) -> str:
    for each in actions:
        if each["status"] == "Failed":
            result = each.get("output", {}).get("executionResult", {})
            told = result.get("externalExecutionSummary") or result.get("errorDetails", {}).get("message", "")
            return ": ".join(("", each["actionName"], *filter(None, (told, result.get("externalExecutionUrl")))))
    return ""
