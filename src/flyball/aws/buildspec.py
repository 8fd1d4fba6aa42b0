"""What CodeBuild runs for a push: the file's `build` and `test`, then images (Fargate) or archives (EC2).

A release is named after the first twelve characters of its commit. Building a commit again changes nothing: tags are
immutable. https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from importlib import resources

from flyball.core.model import Application, Service

from .image import UV, VERSION, dockerfile

RELEASE = 'RELEASE="$(printf %.12s "$CODEBUILD_RESOLVED_SOURCE_VERSION")"'


def checks(service: Service) -> list[str]:
    """The file's build and test, each in its own shell, in a copy of the service's source.

    Services may share a source, and a release must not contain what a build leaves behind: hence the copy.
    """
    commands = [command for command in (service.build, service.test) if command is not None]
    there = f"/tmp/check-{service.name}"  # noqa: S108 - on CodeBuild's own machine
    copy = f"cp --recursive {shlex.quote(service.source)} {there}"
    return [copy, *(f"(cd {there} && sh -eu -c {shlex.quote(command)})" for command in commands)]


def for_images(app: Application, repositories: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Build, test and push one image per service. `repositories`: service -> (region, repository URI) pairs.

    The image is built for the first pair and copied to the others. Each region's deployment reads
    `images-SERVICE-REGION.json`.
    """
    commands = [RELEASE]
    for service in app.services:
        # The Dockerfile builds; only a test needs a build here.
        commands += checks(service) if service.test is not None else []
        commands.append(_here(f"Dockerfile.{service.name}", dockerfile(service)))
        commands += _push(service, repositories[service.name])
    files = [
        f"images-{service.name}-{region}.json" for service in app.services for region, _ in repositories[service.name]
    ]
    return _render(commands, files)


def for_archives(app: Application, buckets: Sequence[tuple[str, str]]) -> str:
    """Build and test each service, then store its source archive in every region's bucket."""
    commands = [RELEASE]
    for service in app.services:
        commands += checks(service)
        archive = f"/tmp/{service.name}.tar.gz"  # noqa: S108 - on CodeBuild's own machine
        leave_out = "--exclude=./.git --exclude=./.venv --exclude=./node_modules"
        commands.append(f"tar --create --gzip --file {archive} {leave_out} --directory {shlex.quote(service.source)} .")
        commands += [
            f'aws s3 cp --region {region} {archive} "s3://{bucket}/{service.name}/$RELEASE.tar.gz"'
            for region, bucket in buckets
        ]
    commands.append('printf %s "$RELEASE" > release.txt')
    return _render(commands, ["release.txt"])


def for_refresh(groups: Sequence[tuple[str, str, Mapping[str, object]]]) -> str:
    """Roll out the stored release, one (Auto Scaling group, region, preferences) after another."""
    script = resources.files("flyball.aws").joinpath("refresh.py").read_text(encoding="utf-8")
    commands = ["pip install --quiet boto3", _here("/tmp/refresh.py", script), 'RELEASE="$(cat release.txt)"']  # noqa: S108
    commands += [
        f'python /tmp/refresh.py {group} {region} "$RELEASE" {shlex.quote(json.dumps(preferences, sort_keys=True))}'
        for group, region, preferences in groups
    ]
    return _render(commands, [])


def _push(service: Service, where: Sequence[tuple[str, str]]) -> list[str]:
    (region, first), *others = where
    build = f'docker build --file Dockerfile.{service.name} --build-arg "RELEASE=$RELEASE" --tag "{first}:$RELEASE" .'
    name = first.split("/", 1)[-1]
    known = f'aws ecr describe-images --region {region} --repository-name {name} --image-ids "imageTag=$RELEASE"'
    commands = [
        _login(region, first),
        f"if {known} > /dev/null 2>&1; then",
        f'  docker pull "{first}:$RELEASE"',
        # One command a line: `set -e` overlooks what fails before the last `&&`.
        f"else\n  {build}",
        f'  docker push "{first}:$RELEASE"\nfi',
        _definition(service, region, first),
    ]
    for there, uri in others:
        commands += [
            _login(there, uri),
            f'docker tag "{first}:$RELEASE" "{uri}:$RELEASE"',
            f'docker push "{uri}:$RELEASE"',
            _definition(service, there, uri),
        ]
    return commands


def _login(region: str, uri: str) -> str:
    host = uri.split("/", 1)[0]
    return f"aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {host}"


def _definition(service: Service, region: str, uri: str) -> str:
    line = f'[{{"name": "{service.name}", "imageUri": "%s"}}]'
    return f"""printf '{line}' "{uri}:$RELEASE" > images-{service.name}-{region}.json"""


def _here(path: str, text: str) -> str:
    return f"cat > {path} <<'END_OF_FILE'\n{text}END_OF_FILE"


def _render(commands: Sequence[str], files: Sequence[str]) -> str:
    """The YAML, with one script per build so that variables last from command to command."""
    script = "\n".join(["set -euo pipefail", *commands])
    lines = ["version: 0.2", "env:", "  shell: bash", "phases:", "  install:"]
    lines += ["    runtime-versions:", f'      python: "{VERSION}"', "    commands:"]
    lines += [f"      - pip install --quiet uv=={UV}", "  build:", "    commands:", "      - |"]
    lines += [f"        {line}".rstrip() for line in script.splitlines()]
    if files:
        lines += ["artifacts:", "  files:", *(f"    - {name}" for name in files)]
    return "\n".join(lines) + "\n"
