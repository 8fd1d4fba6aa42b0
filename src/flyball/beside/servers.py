"""Which server does a `run` line start, and is it fit for several instances, each with a port of its own?

Only what is sure is said: a program that is not known, or whose sources mention PORT, is not doubted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from flyball.core.manifest import LintWarning
from flyball.core.model import Application, Service

from .commands import SERVERS, source

# What else does not read PORT by itself.
PORT_OPTIONS = {**SERVERS, "http.server": "$PORT", "php": "-S 127.0.0.1:$PORT", "runserver": "127.0.0.1:$PORT"}
# Servers that keep what a visitor did in the memory of one process.
IN_MEMORY = ("gradio", "streamlit", "chainlit", "nicegui", "bokeh", "solara")
_FIXED_PORT = re.compile(r"(?:--port[= ]|-p ?|--bind[= ]\S*:|-b ?\S*:|--listen[= ]\S*:|:)(\d{4,5})(?!\S)")
_SCRIPT = re.compile(r"\.(py|js|mjs|cjs|ts|rb|pl|php|sh)$")
_LISTS = ("requirements.txt", "pyproject.toml", "Pipfile")
MOST_FILES = 300
MOST_BYTES = 200_000
_NOT_OURS = frozenset({"node_modules", "__pycache__", "venv"})


def warnings(app: Application, home: Path) -> tuple[LintWarning, ...]:
    """All warnings, services in file order."""
    found: list[LintWarning] = []
    for service in app.services:
        if service.routes:
            found += _port(service, source(service, home))
            found += _sessions(service, source(service, home))
        else:
            found.append(_unrouted(service))
    return tuple(found)


def _unrouted(service: Service) -> LintWarning:
    return LintWarning(
        path=f"services.{service.name}.routes",
        message=f"no routes: no request reaches it, and yet every instance must answer {service.health.path} on $PORT, "
        "else it is replaced again and again; a program that does not listen must run inside a service that does",
    )


def _port(service: Service, directory: Path) -> Iterator[LintWarning]:
    if re.search(r"\$\{?PORT\b", service.run):
        return
    words = [word.rsplit("/", 1)[-1] for word in service.run.split()]
    server = next((word for word in words if word in PORT_OPTIONS), None)
    fixed = _FIXED_PORT.search(service.run)
    script = next((word for word in service.run.split() if _SCRIPT.search(word)), None)
    if server is not None:
        why = f"`{server}` is not told its port: add {PORT_OPTIONS[server]}"
    elif fixed is not None:
        why = f"port {fixed[1]} is fixed: write $PORT, which is another one for every instance"
    elif script is not None and (directory / script).is_file() and not _mentions_port(directory, script):
        why = f"neither `run` nor {script} uses PORT: every instance must listen on the port in it"
    else:
        return
    yield LintWarning(path=f"services.{service.name}.run", message=why)


def _mentions_port(directory: Path, script: str) -> bool:
    suffix = Path(script).suffix
    return any("PORT" in text_of(file) for file in files(directory, suffix))


def _sessions(service: Service, directory: Path) -> Iterator[LintWarning]:
    if service.balancing.stickiness is not None or service.capacity.max < 2:
        return
    texts = [service.run, *(text_of(directory / name) for name in _LISTS)]
    texts += [text_of(directory / word) for word in service.run.split() if _SCRIPT.search(word)]
    used = next((name for name in IN_MEMORY if any(_uses(name, text) for text in texts)), None)
    if used is not None:
        yield LintWarning(
            path=f"services.{service.name}.sticky",
            message=f"{used} keeps each visitor's session in its own memory, and a visitor may reach any of up to "
            f"{service.capacity.max} instances: add sticky = true",
        )


def _uses(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w./-]){name}(?![\w-])", text) is not None


def files(directory: Path, suffix: str) -> Iterator[Path]:
    """The sources of a directory that end so, nearest first; at most a few hundred."""
    left = MOST_FILES
    waiting = [directory]
    while waiting and left > 0:
        for path in sorted(waiting.pop(0).iterdir()):
            if path.name.startswith(".") or path.name in _NOT_OURS or path.is_symlink():
                continue
            if path.is_dir():
                waiting.append(path)
            elif path.suffix == suffix:
                left -= 1
                yield path


def text_of(file: Path) -> str:
    """The text of a file, or of its beginning; "" where there is none."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(MOST_BYTES)
    except OSError:
        return ""
