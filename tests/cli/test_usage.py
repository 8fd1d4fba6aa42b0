"""A wrong command line: one sentence, where to look, exit code 2."""

from __future__ import annotations

import shlex

import pytest

from flyball.cli.main import app, outcome
from flyball.cli.tasks import EXAMPLES


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("frobnicate", "Unknown command"),
        ("stop", "did you mean `flyball down`?\nsee: flyball --help"),
        ("status", "did you mean `flyball ps`?"),
        ("restart web", "did you mean `flyball deploy`?"),
        ("rollbak web", "did you mean `flyball rollback`?"),
        ("aws destory", "did you mean `flyball aws destroy`?"),
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


def test_the_help_is_grouped_by_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["--help"]) == 0

    told = capsys.readouterr().out
    at = [told.index(word) for word in ("Write the file", "check", "Run it", "down", "Look at it", "logs", "Release")]
    assert at == sorted(at)
    assert "Begin with: flyball init, flyball check, flyball up" in " ".join(told.split())


def test_a_verbs_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["scale", "--help"]) == 0

    assert "flyball scale web=3 --hold 5m" in capsys.readouterr().out


@pytest.mark.parametrize("verb", EXAMPLES)
def test_the_examples_of_the_help_can_be_typed(verb: str) -> None:
    for line in EXAMPLES[verb]:
        words = shlex.split(line.partition(" >")[0])
        assert words[:2] == ["flyball", verb]
        app.parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_verbs_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["completion", shell]) == 0

    script = capsys.readouterr().out
    assert "rollback" in script
    assert "detach" in script
