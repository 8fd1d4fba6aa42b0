"""What a service runs on at AWS: the image of its own Dockerfile, or Python or Node of a known version.

The file's `runtime` says it, or the source, where that is plain. Anything else cannot run there without a Dockerfile,
which is an error of the file and not a surprise of the first deployment.
https://docs.aws.amazon.com/linux/al2023/ug/python.html and nodejs.html: the versions that a machine can install.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from flyball.core.manifest.complaints import Unplaced
from flyball.core.model import Application, Aws, Compute, Package, Service

AS_OF = "2026-11-15"
VERSIONS = {
    "python": {"3.11": "3.11.14", "3.12": "3.12.12", "3.13": "3.13.9", "3.14": "3.14.0"},
    "node": {"20": "20.19.5", "22": "22.21.1", "24": "24.11.1"},
}
"""What machines and images of that date have: the version in the file, and the release that images are made of."""
USUAL = {"python": "3.11", "node": "22"}
NAMES = {"python": "Python", "node": "Node"}
PROGRAMS = {
    "python": (
        *("celery", "daphne", "datasette", "django-admin", "fastapi", "flask", "granian", "gunicorn", "hypercorn"),
        *("pip", "python", "python3", "streamlit", "uv", "uvicorn", "waitress-serve"),
    ),
    "node": ("astro", "bun", "fastify", "next", "node", "npm", "npx", "nuxt", "pnpm", "tsx", "yarn"),
}
FILES = {
    "python": ("requirements.txt", "pyproject.toml", "setup.py", "Pipfile", "manage.py"),
    "node": ("package.json",),
}
ELSE = {
    "Go": ("go.mod",),
    "Ruby": ("Gemfile",),
    "PHP": ("composer.json", "index.php"),
    "Rust": ("Cargo.toml",),
    "Java": ("pom.xml", "build.gradle", "build.gradle.kts"),
    "C#": ("global.json",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A language and its version, as in `python@3.12`; `found` is what said so."""

    language: str
    version: str
    found: str = "runtime"

    def __str__(self) -> str:
        """As it is said."""
        return f"{NAMES[self.language]} {self.version}"

    @property
    def release(self) -> str:
        """The exact release of its images."""
        return VERSIONS[self.language][self.version]


def of(service: Service) -> Runtime:
    """The service's runtime; Python where neither the file nor the source has said another."""
    if service.runtime is None:
        return Runtime(language="python", version=USUAL["python"])
    language, _, version = service.runtime.partition("@")
    return Runtime(language=language, version=version)


def as_image(aws: Aws, service: Service) -> bool:
    """Whether a release of the service is an image; otherwise it is an archive that each machine builds."""
    return aws.compute is Compute.FARGATE or aws.package is Package.IMAGE or service.dockerfile is not None


def settled(app: Application, home: Path) -> Application:
    """The application with the runtimes that its sources say, where the file does not. `home`: the file's directory."""
    found = {service.name: _detected(service, home) for service in app.services}
    return replace(app, services=tuple(_with(service, found[service.name]) for service in app.services))


def _with(service: Service, found: Runtime | None) -> Service:
    given = service.runtime is not None or service.dockerfile is not None
    return service if given or found is None else replace(service, runtime=f"{found.language}@{found.version}")


def notes(app: Application, home: Path) -> tuple[tuple[str, str], ...]:
    """What each service will run on at AWS, and what says so: (path, sentence). Nothing of a file without a source."""
    if app.aws is None:
        return ()
    there = [service for service in app.services if service.runtime or service.dockerfile or _has_source(service, home)]
    return tuple((f"services.{service.name}", _note(service, home)) for service in there)


def _has_source(service: Service, home: Path) -> bool:
    source = home / service.source
    return source.is_dir() and any(each.suffix not in {".toml", ".json"} for each in source.iterdir())


def _note(service: Service, home: Path) -> str:
    if service.dockerfile is not None:
        return f"runs on AWS as the image of {service.dockerfile}"
    found = of(service) if service.runtime is not None else _detected(service, home) or of(service)
    said = "" if service.runtime is not None else f'; runtime = "{found.language}@…" says another'
    return f"runs on AWS with {found} ({found.found}){said}"


def refusals(app: Application, home: Path) -> list[str]:
    """The same as sentences."""
    return [
        f"{'.'.join(map(str, each.path))}: {'; '.join(filter(None, (each.message, each.hint)))}"
        for each in errors(app, home)
    ]


def errors(app: Application, home: Path) -> Iterator[Unplaced]:
    """What of the services cannot run on AWS, each with its place in the file."""
    if app.aws is None:
        return
    for service in app.services:
        yield from _of_service(service, home)
    for language in VERSIONS:
        versions = {each.version: name for name, each in _used(app, home) if each.language == language}
        if len(versions) > 1:
            both = " and ".join(f"{language}@{version}" for version in sorted(versions))
            yield Unplaced(
                path=("services", max(versions.values()), "runtime"),
                message=f"the services need {both}; a build on AWS has one version of a language",
                hint="use one of them, or a dockerfile",
            )


def _used(app: Application, home: Path) -> Iterator[tuple[str, Runtime]]:
    for service in settled(app, home).services:
        if service.dockerfile is None:
            yield service.name, of(service)


def _of_service(service: Service, home: Path) -> Iterator[Unplaced]:
    at = ("services", service.name)
    source = home / service.source
    if service.dockerfile is not None:
        yield from _of_dockerfile(service, source)
        return
    if service.runtime is not None:
        language, _, version = service.runtime.partition("@")
        if version not in VERSIONS[language]:
            known = ", ".join(f"{language}@{each}" for each in VERSIONS[language])
            yield Unplaced(
                path=(*at, "runtime"),
                message=f"AWS has no {service.runtime} (as of {AS_OF})",
                hint=f"use one of {known}, or a dockerfile",
            )
        return
    other = _other(service, source)
    if other is not None:
        yield Unplaced(
            path=(*at, "run"),
            message=f"cannot run on AWS as it is: {other}, and AWS has Python and Node",
            hint='add dockerfile = "Dockerfile", or a runtime such as "node@22" if it needs only that',
        )


def _of_dockerfile(service: Service, source: Path) -> Iterator[Unplaced]:
    assert service.dockerfile is not None
    path = ("services", service.name, "dockerfile")
    where = PurePosixPath(service.dockerfile)
    if service.runtime is not None:
        yield Unplaced(path=path, message="says what it runs on, and so does `runtime`", hint="keep one")
    if where.is_absolute() or ".." in where.parts:
        yield Unplaced(path=path, message=f"{service.dockerfile} is outside the source; the build would not find it")
    elif source.is_dir() and not (source / where).is_file():
        yield Unplaced(path=path, message=f"there is no {service.dockerfile} in {service.source}")


# Detection


def _detected(service: Service, home: Path) -> Runtime | None:
    """What the program says, else what lies in the source; None where neither is plain."""
    source = home / service.source
    program = _program(service)
    by_program = next((language for language, names in PROGRAMS.items() if program in names), None)
    there = {language: next((name for name in names if _is(source, name)), None) for language, names in FILES.items()}
    only = [language for language, name in there.items() if name is not None]
    language = by_program or (only[0] if len(only) == 1 and _other(service, source) is None else None)
    if language is None:
        return None
    found = there[language] or program
    return _version(language, source) or Runtime(language=language, version=USUAL[language], found=found)


def _program(service: Service) -> str:
    """The program that `run` starts, without its path and its version."""
    words = [word for word in _words(service.run) if not re.fullmatch(r"[A-Za-z_]\w*=.*|env|exec", word)]
    name = PurePosixPath(words[0]).name if words else ""
    if name in {"sh", "bash"} and "-c" in words[:-1]:
        inner = _words(words[words.index("-c") + 1].split("&&")[-1].replace("exec ", ""))
        name = PurePosixPath(inner[0]).name if inner else ""
    return re.sub(r"(?<=python)3?\.\d+$", "", name)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return []


def _version(language: str, source: Path) -> Runtime | None:
    """The version that the source asks for, if AWS has it."""
    for name, pattern in _ASKED[language]:
        found = re.search(pattern, _text(source / name))
        if found and found[1] in VERSIONS[language]:
            return Runtime(language=language, version=found[1], found=name)
    engines = str(_json(source / "package.json").get("engines", {}).get("node", "")) if language == "node" else ""
    major = re.match(r"\D*(\d+)", engines)
    if major and major[1] in VERSIONS["node"]:
        return Runtime(language="node", version=major[1], found="package.json")
    return None


_ASKED = {
    "python": (
        (".python-version", r"^\s*(?:cpython-)?(\d+\.\d+)"),
        ("pyproject.toml", r"requires-python\s*=\s*[\"'][=~>]=\s*(\d+\.\d+)"),
    ),
    "node": ((".nvmrc", r"^\s*v?(\d+)"), (".node-version", r"^\s*v?(\d+)")),
}


def _other(service: Service, source: Path) -> str | None:
    """What tells that the service is neither Python nor Node; None where nothing does."""
    program = _program(service)
    if any(program in names for names in PROGRAMS.values()):
        return None
    language = next((name for name, files in ELSE.items() if any(_is(source, each) for each in files)), None)
    if language is not None:
        return f"the source is {language}"
    known = {"go": "Go", "java": "Java", "ruby": "Ruby", "bundle": "Ruby", "puma": "Ruby", "php": "PHP", "dotnet": "C#"}
    if program in known:
        return f"`{program}` is {known[program]}"
    return None


def _is(source: Path, name: str) -> bool:
    return (source / name).is_file()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")[:200_000]
    except OSError:
        return ""


def _json(file: Path) -> dict[str, dict[str, object]]:
    try:
        found = json.loads(_text(file) or "{}")
    except ValueError:
        return {}
    return {name: held for name, held in found.items() if isinstance(held, dict)} if isinstance(found, dict) else {}
