"""A wrong command line: one sentence, where to look, exit code 2."""

from __future__ import annotations

import pytest

from flyball.cli.main import outcome


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("frobnicate", "Unknown command"),
        ("up --prot 3", "Did you mean --port?\nsee: flyball up --help"),
        ("up --port 0", "--port must be 1 to 65535, found 0"),
        ("up -d --port 70000", "--port must be 1 to 65535, found 70000"),
        ("ps here", "unexpected argument 'here'\nsee: flyball ps --help"),
        ("load --rate much", "--rate"),
        ("aws somewhere", "see: flyball aws --help"),
        ("scale", "such as: flyball scale web=3"),
    ],
)
def test_a_wrong_command_line_is_told_in_a_sentence(line: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(line.split()) == 2

    told = capsys.readouterr()
    assert said in told.err
    assert not told.out
    assert "─" not in told.err
