"""`flyball check` looks at what lies beside the file: what `up` would refuse, and servers that do not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flyball.cli import check
from flyball.core.manifest import ManifestError


def beside(directory: Path, lines: str, **files: str) -> Path:
    for name, text in files.items():
        (directory / name.replace("_", ".")).write_text(text, encoding="utf-8")
    file = directory / "flyball.toml"
    file.write_text(f"name = 'shop'\n[services.web]\n{lines}\n", encoding="utf-8")
    return file


ROUTED = "routes = ['/']\n"


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("pyhton3 -m http.server $PORT", "program not found: pyhton3.*did you mean `python3"),
        ("cd app && python3 app.py $PORT", "is not a shell command: for '&&' write it as sh -c"),
        ("cd app", "`cd` belongs to a shell"),
        ("DEBUG=1 python3 app.py", 'write variables as env = { DEBUG = "1" }'),
        ("python3 -m http.server $PROT", r"uses \$PROT, but there is no such variable: did you mean \$PORT\?"),
        ("./serve.sh", r"program not found: \./serve\.sh"),
    ],
)
def test_what_up_would_refuse(tmp_path: Path, run: str, words: str):
    file = beside(tmp_path, f"{ROUTED}run = '{run}'")

    with pytest.raises(ManifestError, match=f"flyball.toml:4:7: services.web.run: (?s:.*){words}"):
        check.run(file)


def test_a_program_that_the_build_may_bring_is_not_missed(tmp_path: Path):
    file = beside(tmp_path, f"{ROUTED}build = 'make'\nrun = 'made-by-the-build $PORT'")

    assert check.run(file) == 0


def test_the_refusals_are_errors_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert check.run(beside(tmp_path, f"{ROUTED}run = 'no-such-program $PORT'"), json=True) == 2

    [error] = json.loads(capsys.readouterr().out)["errors"]
    assert (error["path"], error["line"]) == ("services.web.run", 4)


@pytest.mark.parametrize(
    ("lines", "files", "said"),
    [
        (ROUTED + "run = 'python3 -m http.server'", {}, ("run", "`http.server` is not told its port: add $PORT")),
        (ROUTED + "run = 'python3 -m uvicorn a:b --port 8000'", {}, ("run", "add --port $PORT")),
        (ROUTED + "run = 'python3 app.py --port 8000'", {}, ("run", "port 8000 is fixed: write $PORT")),
        (ROUTED + "run = 'python3 app.py'", {"app_py": "serve(8000)"}, ("run", "neither `run` nor app.py uses PORT")),
        ("run = 'python3 app.py $PORT'", {}, ("routes", "no request reaches it")),
        (ROUTED + "instances.max = 3\nscale.target.cpu = 50\nrun = 'python3 app.py $PORT'",
         {"app_py": "import gradio as gr"}, ("sticky", "gradio keeps each visitor's session in its own memory")),
        (ROUTED + "instances.max = 3\nscale.target.cpu = 50\n"
         "run = 'env A=1 python3 -m streamlit run a.py --server.port $PORT'", {}, ("sticky", "add sticky = true")),
    ],
)  # fmt: skip
def test_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, files: dict[str, str], said: tuple[str, str]
):
    assert check.run(beside(tmp_path, lines, **files), json=True) == 0

    [warning] = json.loads(capsys.readouterr().out)["warnings"]
    assert warning["path"] == f"services.web.{said[0]}"
    assert said[1] in warning["message"]


@pytest.mark.parametrize(
    ("lines", "files"),
    [
        ("run = 'python3 app.py'", {"app_py": "import os; serve(os.environ['PORT'])"}),
        ("run = 'python3 app.py'", {"app_py": "from settings import port", "settings_py": "port = env('PORT')"}),
        ("run = 'python3 app.py'\nsticky = true\ninstances.max = 3\nscale.target.cpu = 50",
         {"app_py": "import gradio; launch(env('PORT'))"}),
    ],
)  # fmt: skip
def test_what_fits_is_not_doubted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, files: dict[str, str]
):
    assert check.run(beside(tmp_path, ROUTED + lines, **files), json=True) == 0

    assert json.loads(capsys.readouterr().out)["warnings"] == []
