"""What a program sees when Flyball starts it: environment variables and its command line.

Of the caller's environment only what programs need to work at all is handed on: secrets and settings in a shell do
not leak into an application. What an application needs of its own stands in its file.
docs/reference/instance-contract.md lists all of it for users.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import quote

from flyball.core.errors import Failed

INHERITED = frozenset(
    {
        "HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LOGNAME", "SHELL", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR",
        "TZ", "USER",
    }
)  # fmt: skip
# Builds fetch packages: they also need to know of proxies, mirrors, caches and keys.
BUILD_INHERITED = frozenset(
    {
        "ALL_PROXY", "CI", "GIT_SSH", "GIT_SSH_COMMAND", "HTTPS_PROXY", "HTTP_PROXY", "NODE_EXTRA_CA_CERTS", "NO_PROXY",
        "REQUESTS_CA_BUNDLE", "SSH_AUTH_SOCK", "all_proxy", "http_proxy", "https_proxy", "no_proxy",
    }
)  # fmt: skip
BUILD_PREFIXES = ("CARGO_", "NPM_CONFIG_", "PIP_", "UV_", "XDG_", "npm_config_")
# Set by `uv run` around Flyball itself; they are not about the application.
NOT_INHERITED = frozenset({"UV_PROJECT_ENVIRONMENT", "UV_RUN_RECURSION_DEPTH"})
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<braced>\w+)\}|(?P<plain>[A-Za-z_]\w*))")
_SHELL_WORDS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>&1"})
_BINARIES = (Path(".venv/bin"), Path("node_modules/.bin"))


def environment(
    *,
    port: int,
    instance: str,
    application: str,
    application_id: str,
    service: str,
    release: int,
    zone: str,
    url: str,
    stores: Mapping[str, str],
    own: Mapping[str, str],
    directory: Path | None = None,
    otlp: str | None = None,
    region: str | None = None,
    caller: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The whole environment of an instance. `stores`: variable to URL. `own`: the file's variables.

    `directory` is the release's: with it, programs of its own packages are found first on PATH. `otlp` is where an
    OpenTelemetry SDK, if the program has one, sends its traces.
    """
    return {
        **_inherited(caller),
        "PATH": _path(caller, directory),
        "PYTHONUNBUFFERED": "1",  # else a program's last words stay in its buffer when it is killed
        **({} if otlp is None else _telemetry(otlp, application, service, instance, release)),
        **own,
        **stores,
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "FLYBALL_APPLICATION": application,
        "FLYBALL_APPLICATION_ID": application_id,
        "FLYBALL_INSTANCE": instance,
        "FLYBALL_RELEASE": str(release),
        "FLYBALL_SERVICE": service,
        "FLYBALL_URL": url,
        "FLYBALL_ZONE": zone,
        **({} if region is None else {"FLYBALL_REGION": region}),
    }


def _telemetry(endpoint: str, application: str, service: str, instance: str, release: int) -> dict[str, str]:
    """What every OpenTelemetry SDK reads.

    https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
    """
    attributes = {"service.namespace": application, "service.instance.id": instance, "service.version": str(release)}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": service,
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{name}={quote(value)}" for name, value in attributes.items()),
    }


def build_environment(
    own: Mapping[str, str], directory: Path, caller: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """The whole environment of a build. Flyball's own tools (uv above all) are at the end of PATH, for who has none."""
    tools = {
        name: value
        for name, value in caller.items()
        if (name in BUILD_INHERITED or name.startswith(BUILD_PREFIXES)) and name not in NOT_INHERITED
    }
    return {
        **_inherited(caller),
        "UV_SYSTEM_CERTS": "1",  # an office's own certificate authority is known to the system alone
        "UV_NATIVE_TLS": "1",  # the same in older versions of uv
        **tools,
        "UV_COMPILE_BYTECODE": "1",
        **own,
        "PATH": f"{_path({**caller, **own}, directory)}:{Path(sys.executable).parent}",
    }


def run_command(run: str, *, directory: Path, environment: Mapping[str, str]) -> list[str]:
    """Split a `run` line as a shell would, without being one: `$NAME` and `${NAME}` are filled in, `$$` is a dollar.

    The program is looked up in the release's .venv/bin, its node_modules/.bin, then on PATH; with a "/" it is relative
    to the release. Raises Failed when a variable is unknown, a quote is open, or there is no such program.
    """
    try:
        words = shlex.split(run)
    except ValueError as error:
        raise Failed(f"run = {run!r} cannot be split into words: {str(error).lower()}") from error
    if not words:
        raise Failed("run is empty")
    shell = next((word for word in words if word in _SHELL_WORDS), None)
    if shell is not None:
        raise Failed(f"run = {run!r} is not a shell command: for {shell!r} write it as sh -c '...', or use `build`")
    program, *arguments = (_fill(word, run, environment) for word in words)
    return [_find(program, directory, environment), *arguments]


def _inherited(caller: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in caller.items() if name in INHERITED or name.startswith("LC_")}


def _path(caller: Mapping[str, str], directory: Path | None) -> str:
    """The caller's PATH without Flyball's own virtual environment: its packages are not the application's."""
    places = (caller.get("PATH") or DEFAULT_PATH).split(":")
    if sys.prefix != sys.base_prefix:
        places = [place for place in places if Path(place) != Path(sys.prefix) / "bin"]
    own = [str(directory / place) for place in _BINARIES] if directory is not None else []
    return ":".join([*own, *places])


def _fill(word: str, run: str, environment: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        name = found["braced"] or found["plain"]
        if name not in environment:
            close = get_close_matches(name, environment, n=1)
            hint = f"did you mean ${close[0]}?" if close else "set it under `env`, or write $$ for a dollar"
            raise Failed(f"run = {run!r} uses ${name}, but there is no such variable: {hint}")
        return environment[name]

    return _VARIABLE.sub(value, word)


def _find(program: str, directory: Path, environment: Mapping[str, str]) -> str:
    if "/" in program:
        path = directory / program
        if not path.is_file():
            raise Failed(f"program not found: {program} (looked in the release {directory})")
        if not os.access(path, os.X_OK):
            raise Failed(f"{program} is not executable: chmod +x it, or name its interpreter in `run`")
        return str(path)
    own = ":".join(str(directory / place) for place in _BINARIES)
    found = shutil.which(program, path=f"{own}:{environment.get('PATH', DEFAULT_PATH)}")
    if found is None:
        raise Failed(
            f"program not found: {program} (looked in the release's .venv/bin and node_modules/.bin, then on PATH)"
        )
    return found
