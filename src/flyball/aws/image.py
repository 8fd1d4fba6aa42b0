"""A service's container image: a Dockerfile as you would write it by hand.

Two stages leave compilers and caches behind; bases are pinned; the instance runs as an unprivileged user and can write
only to /tmp. https://docs.docker.com/build/building/best-practices/
"""

from __future__ import annotations

from pathlib import PurePosixPath

from flyball.core.model import Service

from .commands import start_script

VERSION = "3.11"
"""The Python of builds, images and machines: tests and instances run on the same one."""
PYTHON = f"{VERSION}.14"
UV = "0.13.8"
BASE = f"public.ecr.aws/docker/library/python:{PYTHON}-slim-bookworm"
USER = 10001


def dockerfile(service: Service) -> str:
    """The service's Dockerfile; its build context is the file's directory."""
    source = PurePosixPath(service.source)
    start = "".join(f"    '{_single(line)}' \\\n" for line in start_script(service).splitlines())
    build = f"RUN {service.build}\n" if service.build is not None else ""
    return f"""\
# The image of the service {service.name}. Written by `flyball aws synth` from flyball.toml; edit the file, not this.
FROM {BASE} AS build
SHELL ["/bin/sh", "-eu", "-c"]
ENV UV_COMPILE_BYTECODE=1 \\
    UV_LINK_MODE=copy \\
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv=={UV}
WORKDIR /application
COPY {source} ./
{build}# The start script's variables are for the instance, not for this build.
# hadolint ignore=SC2016
RUN printf '%s\\n' \\
{start}    > /start && chmod 0555 /start

FROM {BASE}
ARG RELEASE=0
ENV FLYBALL_RELEASE=${{RELEASE}} \\
    PATH=/application/.venv/bin:/application/node_modules/.bin:$PATH \\
    PYTHONDONTWRITEBYTECODE=1 \\
    PYTHONUNBUFFERED=1
RUN useradd --uid {USER} --no-create-home --shell /usr/sbin/nologin instance
COPY --from=build /application /application
COPY --from=build /start /start
WORKDIR /application
VOLUME ["/tmp"]
USER {USER}:{USER}
STOPSIGNAL SIGTERM
ENTRYPOINT ["/start"]
"""


def _single(line: str) -> str:
    return line.replace("'", "'\\''")
