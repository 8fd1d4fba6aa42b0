"""`flyball init` in the directory of an application: the file fits, is good, and was asked for by nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from flyball.beside import detect, errors, warnings
from flyball.cli import init
from flyball.cli.files import load, read_text
from flyball.core.model import Application, Service, StoreKind

FLASK = "from flask import Flask\napp = Flask(__name__)\n@app.route('/')\ndef home(): ...\n"
FASTAPI = "from fastapi import FastAPI\napi = FastAPI()\n@api.get('/healthz')\ndef health(): ...\n"
MANAGE = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
EXPRESS = '{"dependencies": {"express": "5"}, "scripts": {"start": "node server.js"}}'
NEXT = '{"dependencies": {"next": "15"}, "scripts": {"build": "next build"}}'
COMPOSE = """
services:
  web:
    build: .
    command: gunicorn --bind 0.0.0.0:8000 app:app
    environment: { LOG_LEVEL: info, PORT: "8000", DATABASE_URL: "$DB" }
    depends_on: [cache, db]
  admin:
    build: { context: ./admin }
  cache:
    image: redis:7
  db:
    image: postgres:16
"""


def made(directory: Path, files: dict[str, str]) -> tuple[Application, Service]:
    """What `init` makes of these files; the file has no errors, and nothing in it is doubted."""
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    assert init.run(directory, None) == 0
    app = load(directory / "flyball.toml")
    assert errors(app, directory, read_text(directory / "flyball.toml")) == ()
    assert warnings(app, directory) == ()
    return app, app.services[0]


@pytest.mark.parametrize(
    ("files", "build", "run", "health"),
    [
        ({"app.py": FLASK, "requirements.txt": "flask\n"}, "uv venv && uv pip install -r requirements.txt gunicorn",
         "gunicorn --bind 127.0.0.1:$PORT app:app", "/"),
        ({"shop/__init__.py": "from flask import Flask\ndef create_app(): return Flask('shop')\n",
          "requirements.txt": "flask\ngunicorn\n"},
         "uv venv && uv pip install -r requirements.txt", "gunicorn --bind 127.0.0.1:$PORT 'shop:create_app()'", "/"),
        ({"manage.py": MANAGE, "requirements.txt": "django\ngunicorn"}, "uv venv && uv pip install -r requirements.txt",
         "gunicorn --bind 127.0.0.1:$PORT shop.wsgi", "/"),
        ({"src/main.py": FASTAPI, "pyproject.toml": "[project]\ndependencies = ['fastapi']"},
         "uv venv && uv pip install -r pyproject.toml uvicorn", "uvicorn --port $PORT src.main:api", "/healthz"),
        ({"main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}, "uv venv && uv pip install fastapi uvicorn",
         "uvicorn --port $PORT main:app", "/docs"),
        ({"package.json": EXPRESS, "package-lock.json": "{}", "server.js": "app.listen(process.env.PORT)"},
         "npm ci --omit=dev", "node server.js", "/"),
        ({"package.json": NEXT}, "npm install && npx next build", "next start --hostname 127.0.0.1 --port $PORT", "/"),
        ({"Procfile": "web: gunicorn app:app --bind 0.0.0.0:$PORT\nworker: python work.py\n",
          "requirements.txt": "gunicorn"},
         "uv venv && uv pip install -r requirements.txt", "gunicorn app:app --bind 127.0.0.1:$PORT", "/"),
        ({"Dockerfile": 'RUN pip install -r requirements.txt\nCMD ["uvicorn", "a:b", "--port", "8000"]\n',
          "requirements.txt": "uvicorn"},
         "uv venv && uv pip install -r requirements.txt", "uvicorn a:b --port $PORT", "/"),
    ],
)  # fmt: skip
def test_what_is_found(tmp_path: Path, files: dict[str, str], build: str, run: str, health: str):
    _, web = made(tmp_path, files)

    assert (web.build, web.run, web.health.path) == (build, run, health)


def test_a_compose_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    app, web = made(
        tmp_path,
        {"compose.yaml": COMPOSE, "requirements.txt": "flask\ngunicorn", "app.py": FLASK, "admin/main.py": FASTAPI},
    )

    admin = app.services[1]
    assert (web.run, web.environment) == ("gunicorn --bind 127.0.0.1:$PORT app:app", (("LOG_LEVEL", "info"),))
    assert (admin.source, admin.run) == ("admin", "uvicorn --port $PORT main:api")
    assert [route.condition.path for route in admin.routes] == ["/admin"]
    assert [(store.name, store.kind) for store in app.stores] == [("cache", StoreKind.REDIS)]
    assert web.stores == admin.stores == ("cache",)
    assert "db (postgres:16) is not started here" in capsys.readouterr().err


def test_a_worker_in_a_procfile_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    made(tmp_path, {"Procfile": "web: env python3 -m http.server $PORT\nworker: python3 work.py\n"})

    assert "worker is left out, it does not answer requests: python3 work.py" in capsys.readouterr().err
    assert "# worker is left out" in read_text(tmp_path / "flyball.toml")


@pytest.mark.parametrize(
    "files", [{}, {"README.md": "hello"}, {"package.json": "{"}, {"compose.yaml": "a: [b"}, {"Procfile": "worker: x\n"}]
)
def test_nothing_known_gets_the_commented_file(tmp_path: Path, files: dict[str, str]):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert detect(tmp_path) == ()
    init.run(tmp_path, None)
    assert "# [stores.data]" in read_text(tmp_path / "flyball.toml")
