"""What CodeBuild runs for a push: the file's `build` and `test`, then an image or an archive of each service.

A release is named after the first twelve letters and digits of its commit, or of its upload. Building a commit again
changes nothing: tags are immutable. https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

import hashlib
import json
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path, PurePosixPath

from flyball.core.model import Application, Service

from . import image
from .image import UV, VERSION
from .runtimes import of

RELEASE = 'RELEASE="$(printf %s "$CODEBUILD_RESOLVED_SOURCE_VERSION" | tr -cd 0-9A-Za-z | cut -c 1-12)"'
Places = Sequence[tuple[str, str]]
"""(region, what is there) pairs."""


def checks(service: Service) -> list[str]:
    """The file's build and test, each in its own shell, in a copy of the service's source.

    Services may share a source, and a release must not contain what a build leaves behind: hence the copy.
    """
    commands = [command for command in (service.build, service.test) if command is not None]
    there = f"/tmp/check-{service.name}"  # noqa: S108 - on CodeBuild's own machine
    copy = f"cp --recursive {shlex.quote(service.source)} {there}"
    return [copy, *(f"(cd {there} && sh -eu -c {shlex.quote(command)})" for command in commands)]


def digest(directory: Path) -> str | None:
    """What the file in a directory says, as a digest that changes with it; None without a file."""
    try:
        held = tomllib.loads((directory / "flyball.toml").read_text(encoding="utf-8"))
    except OSError:
        return None
    return hashlib.sha256(json.dumps(held, sort_keys=True, default=str).encode()).hexdigest()


SAME_FILE = """\
import hashlib, json, sys, tomllib

with open("flyball.toml", "rb") as file:
    held = json.dumps(tomllib.load(file), sort_keys=True, default=str)
if hashlib.sha256(held.encode()).hexdigest() != sys.argv[1]:
    sys.exit(
        "flyball.toml is not the one that is deployed, and a push changes no infrastructure. "
        "Deploy it with: flyball aws deploy. Nothing was built; what served before still serves."
    )
"""
"""The first step of a build: the file that came with the source is the one that is deployed."""


def for_release(
    app: Application, images: Mapping[str, Places], archives: Places, *, tasks: bool, file: str | None = None
) -> str:
    """Build and test every service, then store it in every region.

    `images`: where the images of each service that is one go; `archives`: the buckets for the others. With `tasks`,
    each region's deployment reads `images-SERVICE-REGION.json`, else the machines' reads `release.txt`. `file`: the
    digest of the file that is deployed.
    """
    commands = [RELEASE]
    if file is not None:
        check = _here("/tmp/same_file.py", SAME_FILE)  # noqa: S108 - on CodeBuild's own machine
        commands += [check, f"python /tmp/same_file.py {file}"]
    for service in app.services:
        if service.name in images:
            # The Dockerfile builds; only a test needs a build here.
            commands += checks(service) if service.test is not None else []
            commands += _image(service, images[service.name], tasks=tasks)
        else:
            commands += [*checks(service), *_archive(service, archives)]
    if tasks:
        files = [_described(name, region) for name, places in images.items() for region, _ in places]
    else:
        commands.append('printf %s "$RELEASE" > release.txt')
        files = ["release.txt"]
    return _render(commands, files, _versions(app))


def for_refresh(group: str, regions: Sequence[str], preferences: Mapping[str, object]) -> str:
    """Roll out the stored release to the machines of one group, in one region after another."""
    script = resources.files("flyball.aws").joinpath("refresh.py").read_text(encoding="utf-8")
    given = shlex.quote(json.dumps(preferences, sort_keys=True))
    commands = [
        "pip install --quiet boto3",
        _here("/tmp/refresh.py", script),  # noqa: S108 - on CodeBuild's own machine
        'RELEASE="$(cat release.txt)"',
        *(f'python -u /tmp/refresh.py {group} {region} "$RELEASE" {given}' for region in regions),
    ]
    return _render(commands, [], {"python": VERSION})


def _versions(app: Application) -> dict[str, str]:
    """The languages of the builds; Python is always there, for what Flyball itself runs."""
    used = {of(service).language: of(service).version for service in app.services if service.dockerfile is None}
    return {"python": VERSION, **used}


def _archive(service: Service, buckets: Places) -> list[str]:
    archive = f"/tmp/{service.name}.tar.gz"  # noqa: S108 - on CodeBuild's own machine
    leave_out = "--exclude=./.git --exclude=./.venv --exclude=./node_modules"
    return [
        f"tar --create --gzip --file {archive} {leave_out} --directory {shlex.quote(service.source)} .",
        *(
            f'aws s3 cp --region {region} {archive} "s3://{bucket}/{service.name}/$RELEASE.tar.gz"'
            for region, bucket in buckets
        ),
    ]


def _image(service: Service, where: Places, *, tasks: bool) -> list[str]:
    """Build the image for the first place, unless it is there already, and copy it to the others."""
    (region, first), *others = where
    name = first.split("/", 1)[-1]
    known = f'aws ecr describe-images --region {region} --repository-name {name} --image-ids "imageTag=$RELEASE"'
    commands = [
        _login(region, first),
        f"if {known} > /dev/null 2>&1; then",
        f'  docker pull "{first}:$RELEASE"',
        # One command a line: `set -e` overlooks what fails before the last `&&`.
        "else",
        *_built(service, first),
        f'  docker push "{first}:$RELEASE"\nfi',
    ]
    for there, uri in others:
        commands += [
            _login(there, uri),
            f'docker tag "{first}:$RELEASE" "{uri}:$RELEASE"',
            f'docker push "{uri}:$RELEASE"',
        ]
    return [*commands, *(_definition(service, there, uri) for there, uri in where if tasks)]


def _built(service: Service, first: str) -> list[str]:
    """The service's own image, and the layer around it that tells an instance who it is."""
    own, layer = f"{service.name}:own", f"/tmp/around-{service.name}"  # noqa: S108 - on CodeBuild's own machine
    if service.dockerfile is None:
        written = f"Dockerfile.{service.name}"
        build = [_here(written, image.dockerfile(service)), f"docker build --file {written} --tag {own} ."]
    else:
        file = shlex.quote(str(PurePosixPath(service.source) / service.dockerfile))
        build = [f"docker build --file {file} --tag {own} {shlex.quote(service.source)}"]
    return [
        *build,
        f"mkdir -p {layer}",
        _here(f"{layer}/Dockerfile", image.around(own)),
        _here(f"{layer}/start", image.START),
        _here("/tmp/command.py", image.COMMAND),  # noqa: S108 - on CodeBuild's own machine
        f"docker inspect --format '{{{{json .Config}}}}' {own} | python /tmp/command.py >> {layer}/start",
        f"chmod 0555 {layer}/start",
        f'docker build --build-arg "RELEASE=$RELEASE" --tag "{first}:$RELEASE" {layer}',
    ]


def _login(region: str, uri: str) -> str:
    host = uri.split("/", 1)[0]
    return f"aws ecr get-login-password --region {region} | docker login --username AWS --password-stdin {host}"


def _described(service: str, region: str) -> str:
    return f"images-{service}-{region}.json"


def _definition(service: Service, region: str, uri: str) -> str:
    line = f'[{{"name": "{service.name}", "imageUri": "%s"}}]'
    return f"""printf '{line}' "{uri}:$RELEASE" > {_described(service.name, region)}"""


def _here(path: str, text: str) -> str:
    return f"cat > {path} <<'END_OF_FILE'\n{text}END_OF_FILE"


def _render(commands: Sequence[str], files: Sequence[str], versions: Mapping[str, str]) -> str:
    """The YAML, with one script per build so that variables last from command to command."""
    script = "\n".join(["set -euo pipefail", *commands])
    lines = ["version: 0.2", "env:", "  shell: bash", "phases:", "  install:", "    runtime-versions:"]
    lines += [f'      {_CALLED[language]}: "{version}"' for language, version in sorted(versions.items())]
    lines += ["    commands:", f"      - pip install --quiet uv=={UV}", "  build:", "    commands:", "      - |"]
    lines += [f"        {line}".rstrip() for line in script.splitlines()]
    if files:
        lines += ["artifacts:", "  files:", *(f"    - {name}" for name in files)]
    return "\n".join(lines) + "\n"


_CALLED = {"node": "nodejs", "python": "python"}
