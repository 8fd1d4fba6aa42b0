"""`init`, `check`, `schema` and `config`: data on stdout, talk on stderr, nothing overwritten, the right exit codes."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

import pytest

from flyball.beside import name_from
from flyball.cli import check, config, init, schema
from flyball.cli.files import find_file, find_running, load
from flyball.cli.main import outcome
from flyball.core.errors import Failed, FileError
from flyball.core.manifest import ManifestError, json_schema, warnings
from manifests import SESSION_APP, VISITOR_BOARD


def written(directory: Path, text: str = VISITOR_BOARD) -> Path:
    file = directory / "flyball.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_runs_is_found_without_its_file(tmp_path: Path):
    file = written(tmp_path)
    inner = tmp_path / "inner"
    (inner / ".flyball").mkdir(parents=True)
    with chdir(inner):
        assert find_running(None) == file
        (inner / ".flyball" / "journal.db").touch()
        assert find_running(None) == inner / "flyball.toml"
    assert find_running(inner) == find_running(inner / "flyball.toml") == inner / "flyball.toml"
    with pytest.raises(FileError, match=r"there is no file .*other\.toml"):
        find_running(inner / "other.toml")


def test_the_file_is_found_upwards(tmp_path: Path):
    file = written(tmp_path)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with chdir(below):
        assert find_file(None) == file
    assert find_file(tmp_path) == file
    assert find_file(file) == file
    with chdir(tmp_path):
        assert find_file(Path("flyball.toml")) == file


def test_no_file_is_a_file_error(tmp_path: Path):
    with chdir(tmp_path), pytest.raises(FileError, match="flyball init"):
        find_file(None)
    with pytest.raises(FileError, match="there is no file"):
        find_file(tmp_path)
    with pytest.raises(FileError, match="there is no file"):
        find_file(tmp_path / "other.toml")


def test_a_file_that_is_not_text(tmp_path: Path):
    file = tmp_path / "flyball.toml"
    file.write_bytes(b"name = '\xff'")
    with pytest.raises(FileError, match="is not UTF-8 text"):
        load(file)
    with pytest.raises(FileError, match="cannot be read"):
        load(tmp_path)


def test_time_zones_are_this_machines(tmp_path: Path):
    schedule = "[services.web.scale]\nschedule = { cron = '0 8 * * *', min = 2, timezone = 'Europe/Atlantis' }\n"
    text = VISITOR_BOARD.replace("[services.web.scale]\n", schedule)
    with pytest.raises(ManifestError, match="unknown time zone 'Europe/Atlantis'"):
        load(written(tmp_path, text))
    assert load(written(tmp_path, text.replace("Atlantis", "Stockholm")))


def test_a_good_file_is_called_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert check.run(written(tmp_path)) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "flyball.toml is valid: visitor-board, 1 service, 1 store\n")


def test_warnings_are_told_with_their_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert check.run(written(tmp_path, VISITOR_BOARD.replace('"/health"', '{ path = "/", unhealthy_after = 1 }'))) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[0] == "warning: services.web.health.unhealthy_after: 1 here; AWS accepts 2 to 10"
    assert err[1].strip().startswith("https://docs.aws.amazon.com/")
    assert err[2].endswith("1 service, 1 store, 1 warning")


def test_mistakes_are_drawn_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = written(tmp_path, VISITOR_BOARD.replace("health ", "helth "))
    assert outcome(["check", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "flyball.toml:8:1: services.web.helth: unknown key `helth`, did you mean `health`?" in err
    assert err.endswith("1 error; nothing was started\n")


def test_check_as_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert check.run(written(tmp_path, SESSION_APP), json=True) == 0
    good = json.loads(capsys.readouterr().out)
    assert good == {"file": str(tmp_path / "flyball.toml"), "ok": True, "errors": [], "warnings": []}
    assert check.run(written(tmp_path, "name = 5\nservices.web.run = 'x'"), json=True) == 2
    bad = json.loads(capsys.readouterr().out)
    assert bad["ok"] is False
    assert bad["errors"] == [
        {"path": "name", "line": 1, "column": 8, "length": 1, "message": "must be text in quotes, found 5", "hint": ""}
    ]


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]):
    assert schema.run() == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def test_config_shows_every_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert config.run(written(tmp_path), json=False) == 0
    lines = capsys.readouterr().out.splitlines()
    assert 'services.web.health.interval_s = "5s"' in lines
    assert "services.web.capacity.max = 10" in lines
    assert 'stores.messages.key.board.type = "string"' in lines
    assert 'zones[1] = "b"' in lines
    assert config.run(tmp_path, json=True) == 0
    assert json.loads(capsys.readouterr().out)["services"][0]["health"]["interval_s"] == {"value": 5.0, "text": "5s"}


def test_init_writes_a_file_that_is_good_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    target = tmp_path / "My Shop 2"
    assert init.run(target, None) == 0
    app = load(target / "flyball.toml")
    assert app.name == "my-shop-2"
    assert warnings(app) == ()
    assert (target / "flyball.toml").read_text(encoding="utf-8").startswith("#:schema ./flyball.schema.json\n")
    assert json.loads((target / "flyball.schema.json").read_text(encoding="utf-8")) == json_schema()
    assert "start it with: flyball up" in capsys.readouterr().err


def test_the_commented_lines_of_the_new_file_are_good_too(tmp_path: Path):
    init.run(tmp_path, None)
    lines = (tmp_path / "flyball.toml").read_text(encoding="utf-8").splitlines()
    # A comment line that holds a key or a header is an offer; the others are talk.
    offers = [
        line.removeprefix("# ") if line.startswith("# ") and ("= " in line or "[" in line) else line for line in lines
    ]
    text = "\n".join(line for line in offers if not line.startswith(("zones", "Durations")))
    assert load(written(tmp_path, text)).aws is not None


def test_init_overwrites_nothing(tmp_path: Path):
    file = written(tmp_path, "mine")
    with pytest.raises(Failed, match="already exists"):
        init.run(tmp_path, None)
    with pytest.raises(Failed, match=r"already has .*flyball.toml.*; nothing was copied"):
        init.run(tmp_path, "visitor-board")
    assert file.read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flyball.toml"]
    with pytest.raises(Failed, match="is a file, not a directory"):
        init.run(file, None)


@pytest.mark.parametrize("example", sorted(path.parent.name for path in init.examples().glob("*/flyball.toml")))
def test_examples_are_copied_whole_and_good(tmp_path: Path, example: str):
    assert init.run(tmp_path / "copy", example) == 0
    app = load(tmp_path / "copy" / "flyball.toml")
    assert app.name == example
    assert (tmp_path / "copy" / "requirements.txt").is_file()
    assert not list((tmp_path / "copy").glob("**/__pycache__"))


def test_an_unknown_example_names_those_there_are(tmp_path: Path):
    with pytest.raises(Failed, match=r"there is no example 'chess'; choose from: .*visitor-board"):
        init.run(tmp_path, "chess")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("directory", "name"),
    [("shop", "shop"), ("My Shop 2", "my-shop-2"), ("2024", "app"), ("Ünï", "n"), ("a" * 40, "a" * 31)],
)
def test_names_are_made_of_directories(directory: str, name: str):
    assert name_from(directory, "app") == name


def test_what_a_world_does_not_honour_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    text = VISITOR_BOARD.replace('kind = "table"', 'kind = "table"\nttl = "until"')
    assert check.run(written(tmp_path, text.replace("cpu = 0.25", "cpu = 0.5"))) == 0
    err = capsys.readouterr().err
    assert "warning: here: stores.messages.ttl" in err
    assert "warning: on AWS: services.web.size.cpu = 0.5" in err
