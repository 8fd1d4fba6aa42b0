"""A service's container image: its own Dockerfile's, or one of a Dockerfile as you would write it by hand.

Two stages leave compilers and caches behind; bases are pinned; the instance runs as an unprivileged user and can write
only to /tmp. Around either image lies one more layer, which tells an instance who it is before its program starts: a
shell that needs nothing of the image. https://docs.docker.com/build/building/best-practices/
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from flyball.core.model import Service

from .commands import start_script
from .runtimes import USUAL, VERSIONS, of

VERSION = USUAL["python"]
"""The Python of builds and placeholders."""
PYTHON = VERSIONS["python"][VERSION]
UV = "0.13.8"
LIBRARY = "public.ecr.aws/docker/library"
BASE = f"{LIBRARY}/python:{PYTHON}-slim-bookworm"
SHELL = f"{LIBRARY}/busybox:1.37.0-musl"
USER = 10001


def dockerfile(service: Service) -> str:
    """The Dockerfile of a service that has none; its build context is the file's directory."""
    runtime = of(service)
    base = f"{LIBRARY}/{runtime.language}:{runtime.release}"
    python = runtime.language == "python"
    source = PurePosixPath(service.source)
    start = "".join(f"    '{_single(line)}' \\\n" for line in start_script(service).splitlines())
    build = f"RUN {service.build}\n" if service.build is not None else ""
    return f"""\
# The image of the service {service.name}. Written by `flyball aws synth` from flyball.toml; edit the file, not this.
FROM {base}-{"slim-" if python else ""}bookworm AS build
SHELL ["/bin/sh", "-eu", "-c"]
{PREPARED if python else ""}WORKDIR /application
COPY {source} ./
{build}# The start script's variables are for the instance, not for this build.
# hadolint ignore=SC2016
RUN printf '%s\\n' \\
{start}    > /start && chmod 0555 /start

FROM {base}-slim-bookworm
ENV PATH=/application/.venv/bin:/application/node_modules/.bin:$PATH{QUIET if python else ""}
RUN useradd --uid {USER} --no-create-home --shell /usr/sbin/nologin instance
COPY --from=build /application /application
COPY --from=build /start /start
WORKDIR /application
VOLUME ["/tmp"]
USER {USER}:{USER}
STOPSIGNAL SIGTERM
ENTRYPOINT ["/start"]
"""


PREPARED = f"""\
ENV UV_COMPILE_BYTECODE=1 \\
    UV_LINK_MODE=copy \\
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv=={UV}
"""
QUIET = """ \\
    PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONUNBUFFERED=1"""


def around(tag: str) -> str:
    """The Dockerfile of the layer around the image `tag`, beside the script `start`."""
    return f"""\
FROM {tag}
COPY --from={SHELL} /bin/busybox /flyball/busybox
COPY start /flyball/start
ARG RELEASE=0
ENV FLYBALL_RELEASE=${{RELEASE}}
ENTRYPOINT ["/flyball/start"]
"""


START = """\
#!/flyball/busybox sh
set -eu
if [ -n "${ECS_CONTAINER_METADATA_URI_V4:-}" ]; then
  task=$(/flyball/busybox wget -q -T 10 -O - "$ECS_CONTAINER_METADATA_URI_V4/task")
  told() { printf %s "$task" | /flyball/busybox sed -n "s/.*\\"$1\\": *\\"\\([^\\"]*\\)\\".*/\\1/p"; }
  arn=$(told TaskARN)
  place=$(told AvailabilityZone)
  FLYBALL_INSTANCE=${arn##*/}
  for word in "$@"; do
    if [ "${word%=*}" = "$place" ]; then FLYBALL_ZONE=${word#*=}; fi
  done
  export FLYBALL_INSTANCE FLYBALL_ZONE
fi
"""
"""What an instance finds out before its program starts; on a machine the user data has told it already.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html"""


COMMAND = """\
import json, shlex, sys

image = json.load(sys.stdin)
words = [*(image.get("Entrypoint") or []), *(image.get("Cmd") or [])]
if not words:
    sys.exit("the image starts nothing: its Dockerfile has neither ENTRYPOINT nor CMD")
print("exec", shlex.join(words))
"""
"""The line that starts what an image starts by itself, from what `docker inspect` says of it."""


def placeholder(program: str, zones: Mapping[str, str]) -> list[str]:
    """What the base image runs before the first release. The layer around an image ignores it, except for the zones.

    `zones`: names on AWS, or CDK tokens, to those in the file.
    """
    return ["python3", "-c", program, *(f"{there}={name}" for there, name in zones.items())]


def _single(line: str) -> str:
    return line.replace("'", "'\\''")
