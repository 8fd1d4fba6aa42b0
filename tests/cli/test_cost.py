"""`flyball cost`: data on stdout, talk on stderr, sentences for what has no price."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from flyball.cli.main import outcome
from flyball.core.view.rows import Moment
from flyball.local.face import Journal
from manifests import FORUM, SESSION_APP, VISITOR_BOARD


def written(directory: Path, text: str = VISITOR_BOARD) -> str:
    file = directory / "flyball.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def trace(directory: Path, text: str = "0,20\n300,200\n600,20\n900,20\n") -> str:
    file = directory / "day.csv"
    file.write_text(text, encoding="utf-8")
    return str(file)


def costs(capsys, *words: str) -> dict:
    assert outcome(["cost", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *words: str) -> str:
    assert outcome(["cost", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_what_does_not_run_costs_nothing_now_and_something_at_its_bounds(tmp_path, capsys):
    found = costs(capsys, written(tmp_path, FORUM))

    assert found["currency"] == "USD"
    assert found["region"] == "us-east-1"
    assert found["hour"]["now"] is found["month"]["now"] is found["past"] is None
    assert 0 < found["hour"]["min"] < found["hour"]["max"]
    assert found["month"]["min"] == pytest.approx(found["hour"]["min"] * 730)
    assert sum(line["hour"] for line in found["lines"]) == pytest.approx(found["hour"]["min"])
    for line in found["lines"]:
        assert line["unit_price"] * line["quantity"] == pytest.approx(line["hour"], abs=1e-8)
        assert {"what", "source", "date", "confirmed"} <= line.keys()
    assert [one["strategy"] for one in found["savings"]] == [
        "reserved or savings plan for the baseline", "spot for bursts", "right size", "lifecycle",
        "reserved cache nodes", "faster scale-in",
    ]  # fmt: skip
    assert any("6" not in one["what"] and one["hour"] > 0 for one in found["idle"])


def test_a_trace_has_its_cost_and_its_savings(tmp_path, capsys):
    file = written(tmp_path)
    found = costs(capsys, file, "--trace", trace(tmp_path))
    twice = costs(capsys, file, "--trace", trace(tmp_path), "--scale", "2")

    assert found["past"]["of"] == "trace"
    assert found["past"]["requests"] == pytest.approx(20 * 900 + 200 * 300, rel=0.05)
    assert found["past"]["instance_hours"]["web"] > 0.3
    assert found["past"]["usd"] > found["hour"]["min"] * found["past"]["hours"]
    assert twice["past"]["usd"] > found["past"]["usd"]
    assert all(one["month"] is not None for one in found["savings"])


def test_the_journals_own_week(tmp_path, capsys):
    file = written(tmp_path)
    (tmp_path / ".flyball").mkdir()
    minute = time.time() // 60 * 60
    row = {"in_service": 2, "cpu": 50.0, "memory": 10.0, "rps": 5.0}
    with closing(Journal(tmp_path / ".flyball" / "journal.db")) as journal:
        old = Moment(minute - 8 * 86_400, "web", row)
        journal.record_history([old, *(Moment(minute - 60 * n, "web", row) for n in range(1, 121))], resolution=60)
    found = costs(capsys, file)

    assert found["past"]["of"] == "journal"
    assert found["past"]["hours"] == 2
    assert found["past"]["instance_hours"] == {"web": 4.0}
    assert found["past"]["requests"] == 5 * 7_200
    assert found["past"]["month"] == pytest.approx(found["past"]["usd"] / 2 * 730)


def test_the_access_log_says_how_large_answers_are(tmp_path, capsys):
    file = written(tmp_path)
    logs = tmp_path / ".flyball" / "logs"
    logs.mkdir(parents=True)
    (logs / "access.log").write_text('{"received_bytes": 10, "sent_bytes": 990}\n{"received_bytes": 30, "sent_by')
    measured = costs(capsys, file)
    asked = costs(capsys, file, "--response", "1MB")

    assert (measured["assumed"]["request_bytes"], measured["assumed"]["response_bytes"]) == (10, 990)
    assert asked["assumed"]["response_bytes"] == 1024 * 1024
    assert asked["per_million_requests"] > measured["per_million_requests"]


def test_what_lies_in_a_bucket_is_paid_for(tmp_path, capsys):
    file = written(tmp_path, SESSION_APP)
    uploads = tmp_path / ".flyball" / "stores" / "uploads" / "deep"
    uploads.mkdir(parents=True)
    (uploads / "one").write_bytes(b"x" * 1_000_000)
    (tmp_path / ".flyball" / "journal.db").touch()
    with closing(Journal(tmp_path / ".flyball" / "journal.db")) as journal:
        row = {"in_service": 2, "cpu": 50.0, "memory": 10.0, "rps": 5.0}
        journal.record_history([Moment(time.time() - 60, "app", row)], resolution=60)
    found = {one["strategy"]: one["month"] for one in costs(capsys, file)["savings"]}

    assert found["lifecycle"] == pytest.approx(0.001 * (0.023 - 0.004), rel=0.01)


def test_the_text_has_bounds_lines_and_answers(tmp_path, capsys):
    assert outcome(["cost", written(tmp_path), "--trace", trace(tmp_path)]) == 0
    out, err = capsys.readouterr()

    assert "visitor-board on AWS, eu-north-1 on ec2, US dollars" in err
    assert "would have cost" in out
    assert "web: t3.micro machines" in out
    assert "faster scale-in" in out
    assert "unconfirmed" in out


def test_a_file_without_aws_is_priced_as_fargate(tmp_path, capsys):
    text = VISITOR_BOARD[: VISITOR_BOARD.index("[aws]")]

    assert outcome(["cost", written(tmp_path, text)]) == 0
    out, err = capsys.readouterr()
    assert "us-east-1 on fargate" in err
    assert "the file has no [aws]" in err
    assert "vCPUs of tasks" in out


def test_what_has_no_price_is_refused_in_a_sentence(tmp_path, capsys):
    file = written(tmp_path)

    assert "there are no prices for mars-1; there are some for: us-east-1" in refused(
        capsys, file, "--region", "mars-1"
    )
    assert "--response: " in refused(capsys, file, "--response", "big")
    other = written(tmp_path, VISITOR_BOARD.replace("eu-north-1", "ap-east-1"))
    assert "there are no prices for ap-east-1" in refused(capsys, other)


def test_a_trace_shorter_than_a_period_is_refused(tmp_path, capsys):
    short = trace(tmp_path, "0,5\n10,5\n")

    assert "it lasts 20 s, shorter than one period of web (60 s)" in refused(
        capsys, written(tmp_path), "--trace", short
    )
