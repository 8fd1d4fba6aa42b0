"""What is the application in a directory? Its services as `flyball.toml` would have them; nothing is asked or run.

The first that fits wins: a compose file or a Procfile names its services, then a framework, then a Dockerfile.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .servers import files, text_of

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - to be replaced
UV = "uv venv && uv pip install"
HEALTH = ("/health", "/healthz", "/health/", "/healthcheck", "/api/health", "/ping")
_PYTHON_APP = re.compile(r"^(\w+)(?:\s*:[^=\n]+)?\s*=\s*(?:\w+\.)?(Flask|FastAPI)\(", re.MULTILINE)
_FACTORY = re.compile(r"^def (create_app|make_app)\(", re.MULTILINE)
_ROUTE = re.compile(r"\.(?:route|get)\(\s*[\"'`](/[^\"'`<{:*]*)[\"'`]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One service to write. `what` says what was found, `notes` what remains to be done by hand."""

    name: str = "web"
    what: str
    run: str
    build: str = ""
    source: str = ""
    health: str = "/"
    env: tuple[tuple[str, str], ...] = ()
    stores: tuple[str, ...] = ()
    routes: tuple[str, ...] = ("/",)
    notes: tuple[str, ...] = field(default=())


def detect(directory: Path) -> tuple[Draft, ...]:
    """The services found; none where nothing is known."""
    for look in (_compose, _procfile, _one):
        found = tuple(look(directory))
        if found:
            return found
    return ()


def _one(directory: Path) -> Iterator[Draft]:
    for look in (_django, _python, _node, _docker):
        found = look(directory)
        if found is not None:
            yield found
            return


# Python


def _django(directory: Path) -> Draft | None:
    manage = text_of(directory / "manage.py")
    settings = re.search(r"[\"']([\w.]+)\.settings[\w.]*[\"']", manage)
    if not settings:
        return None
    return Draft(
        what="Django (manage.py)",
        build=_install(directory, "django", "gunicorn"),
        run=f"gunicorn --bind 127.0.0.1:$PORT {settings[1]}.wsgi",
        health=_health(directory, ".py", first=False),
        notes=("ALLOWED_HOSTS must hold 127.0.0.1: the health check asks for it",),
    )


def _python(directory: Path) -> Draft | None:
    for file in files(directory, ".py"):
        text, module = (
            text_of(file),
            ".".join(file.relative_to(directory).with_suffix("").parts).removesuffix(".__init__"),
        )
        found, factory = _PYTHON_APP.search(text), _FACTORY.search(text)
        if found and found[2] == "FastAPI":
            health = _health(directory, ".py")
            return Draft(
                what=f"FastAPI ({file.name})",
                build=_install(directory, "fastapi", "uvicorn"),
                run=f"uvicorn --port $PORT {module}:{found[1]}",
                health=health if health != "/" or _has_root(directory, ".py") else "/docs",
            )
        if found or (factory and "Flask(" in text):
            target = f"{module}:{found[1]}" if found else f"'{module}:{factory[1]}()'" if factory else module
            return Draft(
                what=f"Flask ({file.name})",
                build=_install(directory, "flask", "gunicorn"),
                run=f"gunicorn --bind 127.0.0.1:$PORT {target}",
                health=_health(directory, ".py"),
            )
    return None


def _install(directory: Path, package: str, server: str) -> str:
    """The build that brings the packages, and the server where they lack it."""
    listed = text_of(directory / "requirements.txt")
    project = text_of(directory / "pyproject.toml")
    extra = "" if re.search(rf"(?<![\w-]){server}(?![\w-])", listed + project) else f" {server}"
    if listed:
        return f"{UV} -r requirements.txt{extra}"
    if (directory / "uv.lock").is_file():
        return "uv sync --frozen --no-dev" + (f" && uv pip install{extra}" if extra else "")
    if "dependencies" in project:
        return f"{UV} -r pyproject.toml{extra}"
    return f"{UV} {package} {server}"


# Node


def _node(directory: Path) -> Draft | None:
    package = _json(directory / "package.json")
    if not package:
        return None
    needs = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
    scripts = package.get("scripts", {})
    install = "npm ci" if (directory / "package-lock.json").is_file() else "npm install"
    if "next" in needs:
        return Draft(
            what="Next.js (package.json)",
            build=f"{install} && npx next build",
            run="next start --hostname 127.0.0.1 --port $PORT",
        )
    start = str(scripts.get("start", ""))
    main = start if start.startswith("node ") else f"node {package.get('main', 'index.js')}"
    if start and not start.startswith("node "):
        main = "npm start"
    if " && " in start or ("express" not in needs and not start and "main" not in package):
        return None
    build = f"{install} && npm run build" if "build" in scripts else f"{install} --omit=dev"
    what = "Express" if "express" in needs else "Node"
    return Draft(what=f"{what} (package.json)", build=build, run=main, health=_health(directory, Path(main).suffix))


def _json(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(text_of(file) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


# Files that name commands


def _docker(directory: Path, name: str = "Dockerfile") -> Draft | None:
    text = text_of(directory / name).replace("\\\n", " ")
    commands = re.findall(r"^(?:CMD|ENTRYPOINT)\s+(.+)$", text, re.MULTILINE | re.IGNORECASE)
    if not commands:
        return None
    words = [word for command in commands for word in _words(command)]
    installs = [line for line in re.findall(r"^RUN\s+(.+)$", text, re.MULTILINE | re.IGNORECASE) if "apt" not in line]
    build = " && ".join(line.replace("pip install", "uv pip install") for line in installs)
    python = "uv pip install" in build
    return Draft(
        what=name,
        build=f"uv venv && {build}" if python else build,
        run=_with_port(words),
        notes=("taken from the Dockerfile: an instance is a process here, in a copy of this directory",),
    )


def _words(command: str) -> list[str]:
    if command.startswith("["):
        try:
            return [str(word) for word in json.loads(command)]
        except ValueError:
            return shlex.split(command)
    return shlex.split(command)


def _with_port(words: list[str]) -> str:
    """The command, with $PORT for a fixed port and this machine for every address; in a shell where it needs one."""
    if words[:2] in (["sh", "-c"], ["/bin/sh", "-c"], ["bash", "-c"]):
        return " ".join([*words[:2], shlex.quote(words[2])])
    told = [re.sub(r"^(0\.0\.0\.0:|\[::\]:|127\.0\.0\.1:)?\d{4,5}$", r"\1$PORT", word) for word in words]
    told = [re.sub(r"^(--[\w-]*(?:port|bind|listen)=(?:[\d.]+:)?)\d{4,5}$", r"\1$PORT", word) for word in told]
    told = [re.sub(r"\$\{PORT:-\d+\}", "$PORT", word).replace(EVERY_ADDRESS, "127.0.0.1") for word in told]
    plain = " ".join(word if re.fullmatch(r"[\w@%+=:,./$-]+", word) else shlex.quote(word) for word in told)
    return f"sh -c {shlex.quote(plain)}" if {"&&", "||", "|", ";"} & set(told) else plain


def _procfile(directory: Path) -> Iterator[Draft]:
    lines = re.findall(r"^([a-z][\w-]*):\s*(.+)$", text_of(directory / "Procfile"), re.MULTILINE)
    others = [f"{name} is left out, it does not answer requests: {run}" for name, run in lines if name != "web"]
    for name, run in lines:
        if name == "web":
            base = next(_one(directory), None)
            yield Draft(
                what="Procfile",
                build=base.build if base else _built(directory),
                run=_with_port(shlex.split(run)),
                health=base.health if base else "/",
                notes=tuple(others),
            )


def _built(directory: Path) -> str:
    if (directory / "package.json").is_file():
        return "npm ci" if (directory / "package-lock.json").is_file() else "npm install"
    return f"{UV} -r requirements.txt" if (directory / "requirements.txt").is_file() else ""


def _compose(directory: Path) -> Iterator[Draft]:
    names = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
    file = next((directory / name for name in names if (directory / name).is_file()), None)
    if file is None:
        return
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415 - only a compose file needs it

    try:
        services = (yaml.safe_load(text_of(file)) or {}).get("services") or {}
    except (yaml.YAMLError, AttributeError):
        return
    stores = tuple(name_from(name) for name, held in services.items() if _is_redis(held or {}))
    left = tuple(
        f"{name} ({held.get('image')}) is not started here: run it beside, and put its address into env"
        for name, held in services.items()
        if held and "build" not in held and not _is_redis(held)
    )
    apps = [(name, held) for name, held in services.items() if held and "build" in held]
    for place, (name, held) in enumerate(apps):
        made = _of_compose(name_from(name), held, directory, file.name)
        if made is not None:
            routes = ("/",) if place == 0 else (f"/{name_from(name)}",)
            yield _filled(made, stores, left if place == 0 else (), routes)


def _filled(made: Draft, stores: tuple[str, ...], left: tuple[str, ...], routes: tuple[str, ...]) -> Draft:
    return Draft(
        name=made.name, what=made.what, run=made.run, build=made.build, source=made.source, health=made.health,
        env=made.env, stores=stores, routes=routes, notes=(*made.notes, *left),
    )  # fmt: skip


def _of_compose(name: str, held: Mapping[str, Any], directory: Path, file: str) -> Draft | None:
    build = held["build"]
    context = build if isinstance(build, str) else str((build or {}).get("context", "."))
    home = directory / context
    base = next(_one(home), None) if home.is_dir() else None
    command = held.get("command")
    words = [str(word) for word in command] if isinstance(command, list) else shlex.split(str(command or ""))
    if base is None and not words:
        return None
    source = context.removeprefix("./").strip("/")
    return Draft(
        name=name,
        what=f"{name} in {file}" + (f", {base.what}" if base else ""),
        build=base.build if base else "",
        run=_with_port(words) if words else base.run if base else "",
        source="" if source in {"", "."} else source,
        health=base.health if base else "/",
        env=tuple(_environment(held.get("environment"))),
        notes=base.notes if base else (),
    )


def _environment(held: Any) -> Iterator[tuple[str, str]]:
    pairs = held.items() if isinstance(held, dict) else (str(each).partition("=")[::2] for each in held or [])
    for name, value in pairs:
        if name != "PORT" and value not in {None, ""} and "$" not in str(value):
            yield str(name), str(value)


def _is_redis(held: Mapping[str, Any]) -> bool:
    return re.match(r"(.*/)?(redis|valkey)(:|$)", str(held.get("image", ""))) is not None


def name_from(text: str, otherwise: str = "web") -> str:
    """A name for the file, such as `my-shop` from `My Shop`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")[:31].rstrip("-") or otherwise


# Health


def _health(directory: Path, suffix: str, *, first: bool = True) -> str:
    """A path made for it, "/" where there is one, else the first that needs nothing."""
    texts = [text_of(file) for file in files(directory, suffix)]
    for path in HEALTH:
        if any(re.search(rf"[\"'`]/?{re.escape(path[1:])}[\"'`]", text) for text in texts):
            return path
    routes = [found for text in texts for found in _ROUTE.findall(text)]
    return "/" if not first or "/" in routes or not routes else str(routes[0])


def _has_root(directory: Path, suffix: str) -> bool:
    return any("/" in _ROUTE.findall(text_of(file)) for file in files(directory, suffix))
