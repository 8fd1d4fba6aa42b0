"""Plain applications as their makers' first pages show them, each with a handler that burns a few ms of CPU.

The start commands are the obvious ones with $PORT; nothing is tuned for Flyball, and "/" is also the health check.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_OWN_TOOLS = str(Path(sys.executable).parent)  # uv comes with Flyball
_PIP = "uv venv && uv pip install -r requirements.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """An application: its files, how it is built and started, and the programs that both need, with their packages."""

    name: str
    run: str
    source: str
    files: Mapping[str, str]
    build: str | None = None
    needs: Mapping[str, str]
    comment: str = "#"

    def missing(self) -> str | None:
        """Why it cannot run here, or None."""
        lacking = [
            f"{program} is not installed; on Debian: apt-get install {package}"
            for program, package in self.needs.items()
            if shutil.which(program) is None and shutil.which(program, path=_OWN_TOOLS) is None
        ]
        return "; ".join(lacking) or None

    def manifest(self) -> str:
        """Its flyball.toml: a quarter of a CPU, one to six instances, half of their CPU as the target."""
        build = "" if self.build is None else f"build = {json.dumps(self.build)}\n"
        return (
            f'name = "plain-{self.name}"\n\n[services.web]\n{build}run = {json.dumps(self.run)}\nroutes = ["/"]\n'
            'size = { cpu = 0.25, memory = "512MB" }\ninstances = { min = 1, max = 6 }\n'
            "scale = { target = { cpu = 50 } }\n"
        )

    def write(self, directory: Path) -> None:
        """Write its files."""
        for name, text in self.files.items():
            (directory / name).write_text(text)

    def change(self, directory: Path) -> None:
        """A change that a deploy rolls out."""
        with (directory / self.source).open("a") as source:
            source.write(f"\n{self.comment} changed\n")


_FLASK = """\
from flask import Flask

app = Flask(__name__)


@app.get("/")
def home():
    return {"sum": sum(n * n for n in range(40_000))}
"""

_DJANGO = """\
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="plain")


def home(request):
    return JsonResponse({"sum": sum(n * n for n in range(40_000))})


urlpatterns = [path("", home)]
application = get_wsgi_application()
"""

_FASTAPI = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def home():
    return {"sum": sum(n * n for n in range(40_000))}
"""

_EXPRESS = """\
const express = require("express");

const app = express();

app.get("/", (request, response) => {
  let mixed = 1;
  for (let n = 0; n < 600_000; n++) mixed = (mixed * 31 + n) % 1000003;
  response.json({ mixed });
});

app.listen(process.env.PORT);
"""

_PHP = """\
<?php
$mixed = 1;
for ($n = 0; $n < 120000; $n++) $mixed = ($mixed * 31 + $n) % 1000003;
header("Content-Type: application/json");
echo json_encode(["mixed" => $mixed]);
"""

_RACK = """\
run lambda { |_env|
  sum = (1..35_000).sum { |n| n * n }
  [200, { "Content-Type" => "text/plain" }, ["#{sum}\\n"]]
}
"""

_PACKAGE = json.dumps({"name": "plain", "scripts": {"start": "node server.js"}, "dependencies": {"express": "^4.21"}})

APPLICATIONS = (
    Plain(
        name="gunicorn",
        run="gunicorn -w 1 --threads 4 -b 127.0.0.1:$PORT app:app",
        source="app.py",
        files={"app.py": _FLASK, "requirements.txt": "flask\ngunicorn\n"},
        build=_PIP,
        needs={"uv": "pipx"},
    ),
    Plain(
        name="django",
        run="gunicorn -b 127.0.0.1:$PORT site_app",
        source="site_app.py",
        files={"site_app.py": _DJANGO, "requirements.txt": "django\ngunicorn\n"},
        build=_PIP,
        needs={"uv": "pipx"},
    ),
    Plain(
        name="fastapi",
        run="uvicorn app:app --port $PORT",
        source="app.py",
        files={"app.py": _FASTAPI, "requirements.txt": "fastapi\nuvicorn\n"},
        build=_PIP,
        needs={"uv": "pipx"},
    ),
    Plain(
        name="express",
        run="npm start",
        source="server.js",
        files={"server.js": _EXPRESS, "package.json": _PACKAGE},
        build="npm install",
        needs={"node": "nodejs", "npm": "npm"},
        comment="//",
    ),
    Plain(
        name="php",
        run="php -S 127.0.0.1:$PORT index.php",
        source="index.php",
        files={"index.php": _PHP},
        needs={"php": "php-cli"},
        comment="//",
    ),
    Plain(
        name="puma",
        run="puma -p $PORT",
        source="config.ru",
        files={"config.ru": _RACK},
        needs={"puma": "puma"},
    ),
)
