"""What a service runs on at AWS: what the file says, what the source says, and what cannot run there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from flyball.aws import runtimes
from flyball.cli.main import outcome
from flyball.core.manifest import parse
from flyball.core.model import Application

FILE = """
name = "shop"
[services.web]
run = "{run}"
{more}
build = "true"
routes = ["/"]
[aws]
region = "{region}"
"""


def app(run: str = "node server.js", more: str = "", region: str = "eu-north-1") -> Application:
    return parse(FILE.format(run=run, more=more, region=region))


def complaints(wanted: Application, home: Path) -> list[str]:
    return runtimes.refusals(wanted, home)


@pytest.mark.parametrize(
    ("run", "files", "found"),
    [
        ("node server.js", {"package.json": "{}"}, "node@22"),
        ("npm start", {"package.json": '{"engines": {"node": ">=24"}}'}, "node@24"),
        ("node server.js", {".nvmrc": "v20.11.0\n"}, "node@20"),
        ("node server.js", {".nvmrc": "v8\n"}, "node@22"),
        ("env MODE=x /usr/bin/node server.js", {}, "node@22"),
        ("sh -c './migrate && exec node server.js'", {}, "node@22"),
        ("serve", {"package.json": "{}"}, "node@22"),
        ("gunicorn app:app", {"requirements.txt": "", "package.json": "{}"}, "python@3.11"),
        ("python3.12 app.py", {".python-version": "3.13.2"}, "python@3.13"),
        ("serve", {"pyproject.toml": 'requires-python = ">=3.12"'}, "python@3.12"),
        ("serve", {"package.json": "not json"}, "node@22"),
        ("serve", {}, None),
        ("serve", {"requirements.txt": "", "package.json": "{}"}, None),
    ],
)  # fmt: skip
def test_the_source_says_what_it_runs_on(tmp_path: Path, run: str, files: dict[str, str], found: str | None):
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert runtimes.settled(app(run), tmp_path).services[0].runtime == found
    assert complaints(app(run), tmp_path) == []


def test_the_file_wins(tmp_path: Path):
    (tmp_path / ".nvmrc").write_text("20", encoding="utf-8")
    wanted = app(more='runtime = "node@24"')
    assert runtimes.settled(wanted, tmp_path) == wanted
    assert runtimes.notes(wanted, tmp_path) == (("services.web", "runs on AWS with Node 24 (runtime)"),)


@pytest.mark.parametrize(
    ("run", "file", "said"),
    [
        ("./server", "go.mod", "services.web.run: cannot run on AWS as it is: the source is Go"),
        ("bundle exec puma -p $PORT", "x", "services.web.run: cannot run on AWS as it is: `bundle` is Ruby"),
        ("php -S 127.0.0.1:$PORT", "index.php", "services.web.run: cannot run on AWS as it is: the source is PHP"),
    ],
)
def test_another_language_needs_a_dockerfile(tmp_path: Path, run: str, file: str, said: str):
    (tmp_path / file).write_text("", encoding="utf-8")
    (sentence,) = complaints(app(run), tmp_path)
    assert sentence.startswith(said)
    assert 'add dockerfile = "Dockerfile"' in sentence
    (tmp_path / "Dockerfile").write_text("FROM scratch", encoding="utf-8")
    assert complaints(app(run, 'dockerfile = "Dockerfile"'), tmp_path) == []


@pytest.mark.parametrize(
    ("more", "region", "told"),
    [
        ('runtime = "cobol@85"', "eu-north-1", "services.web.runtime: must be a language and version such as"),
        ('runtime = "python@2.7"', "eu-north-1", "services.web.runtime: AWS has no python@2.7 (as of "),
        ('dockerfile = "Dockerfile"', "eu-north-1", "services.web.dockerfile: there is no Dockerfile in ."),
        ('dockerfile = "../Dockerfile"', "eu-north-1", "services.web.dockerfile: ../Dockerfile is outside the source"),
        (
            'dockerfile = "Dockerfile"\nruntime = "node@22"',
            "eu-north-1",
            "services.web.dockerfile: says what it runs on, and so does `runtime`",
        ),
        ("", "eu-north-9", "aws.region: 'eu-north-9' is not a region such as eu-north-1, as of "),
        ("", "cn-north-1", "aws.region: cn-north-1 is in AWS China"),
    ],
)
def test_check_refuses_what_cannot_run_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, region: str, told: str
):
    (tmp_path / "server.js").write_text("process.env.PORT", encoding="utf-8")
    (tmp_path / "flyball.toml").write_text(FILE.format(run="node server.js", more=more, region=region), "utf-8")
    assert outcome(["check", str(tmp_path), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)["errors"]
    assert f"{found[0]['path']}: {found[0]['message']}".startswith(told), found
    assert found[0]["line"]


def test_a_build_has_one_version_of_a_language(tmp_path: Path):
    text = FILE.format(run="node server.js", more="", region="eu-north-1")
    second = text.replace("services.web", "services.api").replace('"/"', '"/api"')
    for name, version in (("web", "20"), ("api", "24")):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".nvmrc").write_text(version, encoding="utf-8")
    one, two = (part.split("[aws]")[0] for part in (text, second.split("[services.api]")[1]))
    both = f'{one}source = "web"\n[services.api]{two}source = "api"\n[aws]\nregion = "eu-north-1"\n'
    (sentence,) = complaints(parse(both), tmp_path)
    assert "the services need node@20 and node@24; a build on AWS has one version of a language" in sentence


def test_check_says_what_a_service_will_run_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "server.js").write_text("process.env.PORT", encoding="utf-8")
    (tmp_path / "package.json").write_text('{"engines": {"node": "24.x"}}', encoding="utf-8")
    (tmp_path / "flyball.toml").write_text(FILE.format(run="node server.js", more="", region="eu-north-1"), "utf-8")
    assert outcome(["check", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "services.web: runs on AWS with Node 24 (package.json)" in said
    assert re.search(
        r"^aws: at least \$\d+ a month, when nobody uses it, \$\d+ of it for the way out", said, re.MULTILINE
    )
