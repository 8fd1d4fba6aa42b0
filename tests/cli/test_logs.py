"""`flyball logs`: the output of all instances as one, by time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flyball.cli import talk
from flyball.cli.lines import read
from flyball.cli.logs import asked
from flyball.cli.main import outcome
from flyball.core.errors import FileError
from flyball.local.process.times import Notes

BEGAN = 1_700_000_000.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two services that took turns to speak, half a second each."""
    (tmp_path / "flyball.toml").write_text("name = 'shop'\n[services.web]\nrun = 'x'\n")
    logs = tmp_path / ".flyball" / "logs"
    logs.mkdir(parents=True)
    notes = Notes()
    for turn in range(4):
        log = logs / ("web-1.log" if turn % 2 == 0 else "api-2.log")
        with log.open("a") as file:
            file.write(f"turn {turn}\n")
        notes.take(log, BEGAN + turn)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], home: Path, *words: str) -> list[str]:
    assert outcome(["logs", "--file", str(home), *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_services_are_merged_by_time(home: Path, capsys: pytest.CaptureFixture[str]):
    assert said(capsys, home) == ["web-1    | turn 0", "api-2    | turn 1", "web-1    | turn 2", "api-2    | turn 3"]
    assert said(capsys, home, "-n", "1") == ["web-1    | turn 2", "api-2    | turn 3"]
    assert said(capsys, home, "-n", "0") == []
    assert said(capsys, home, "web") == ["web-1    | turn 0", "web-1    | turn 2"]


def test_only_what_matches(home: Path, capsys: pytest.CaptureFixture[str]):
    assert said(capsys, home, "--grep", "turn [12]") == ["api-2    | turn 1", "web-1    | turn 2"]
    assert said(capsys, home, "--grep", "turn", "-n", "1") == ["web-1    | turn 2", "api-2    | turn 3"]
    with pytest.raises(FileError, match=r"--grep '\[' is not a regular expression"):
        asked(None, None, None, "[")


def test_only_what_is_new(home: Path, capsys: pytest.CaptureFixture[str]):
    assert said(capsys, home, "--since", "1h") == []
    with (home / ".flyball" / "logs" / "web-1.log").open("a") as file:
        file.write("just now\n")
    assert said(capsys, home, "--since", "1h") == ["web-1    | just now"]


def test_the_time_of_a_line(home: Path, capsys: pytest.CaptureFixture[str]):
    first, *_ = said(capsys, home, "--times")
    assert first.endswith(".000  web-1    | turn 0")
    assert json.loads(said(capsys, home, "--json")[1]) == {
        "instance": "api-2", "line": "turn 1", "at": BEGAN + 1, "fields": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "at", "shown"),
    [
        ('{"time": "2023-11-14T22:13:21.250Z", "level": "info", "msg": "got it", "id": 7}', 1.25, "INFO got it id=7"),
        ('{"level": 50, "time": 1700000002000, "msg": "no"}', 2.0, "ERROR no"),
        ('{"timestamp": 1700000003.5, "event": "sold", "to": "ann"}', 3.5, "sold to=ann"),
        ('{"ts": "long ago", "message": "hm"}', 0.0, "hm"),
        ('{"ts": 12, "message": "another clock"}', 0.0, "another clock"),
        ("{not json", 0.0, "{not json"),
        ("plain", 0.0, "plain"),
    ],
)
def test_lines_of_json_are_understood(text: str, at: float, shown: str):
    line = read("web-1", text, BEGAN)
    assert (line.at - BEGAN, line.shown()) == (at, shown)


def test_each_instance_has_its_colour():
    assert len({talk.colour_of(f"web-{number}") for number in range(len(talk.COLOURS))}) == len(talk.COLOURS)
    assert talk.colour_of("web-1") != talk.colour_of("api-1")
