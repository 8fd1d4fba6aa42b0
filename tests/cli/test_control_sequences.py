"""What applications, commits and names say controls no terminal; JSON holds all of it."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path

import pytest
from rich.live import Live
from rich.text import Text

from flyball.cli import pipeline, talk
from flyball.cli.main import outcome

EVIL = (
    "\x1b[2J\x1b]0;mine\x07\x1b]52;c;cm0gLXJm\x1b\\\x1bPq\x9c\x9b31mred\x1b[0m\x07\x08\x00\x1b\x1b[31m[1mend\u202e\x1b"
)
SHOWN = "red\ufffd\ufffd\ufffd\ufffd[1mend\ufffd\ufffd"


def harmless(text: str) -> bool:
    return not any((ord(one) < 32 and one not in "\n\t") or 127 <= ord(one) < 160 or one == "\u202e" for one in text)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (EVIL, SHOWN),
        ("plain, naïve, 東京, 👩‍💻\ttab\nline", "plain, naïve, 東京, 👩‍💻\ttab\nline"),
        ("\x1b[1;32mINFO\x1b[0m ready\r\n", "INFO ready\n"),
        ("\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\", "here"),
        ("\x1b]0;no end", "0;no end"),
        ("\udc9b", "\ufffd"),
        ("", ""),
    ],
)
def test_a_text_shows_only_itself(said: str, shown: str):
    assert talk.printable(said) == shown


def test_a_flood_of_begun_sequences_takes_no_time():
    began = time.process_time()
    assert harmless(talk.printable("\x1b]" * 50_000))
    assert time.process_time() - began < 30


def test_tables_messages_events_and_logs(capsys: pytest.CaptureFixture[str]):
    event = {"at": 0.0, "service": EVIL, "kind": EVIL, "from": None, "to": None, "reason": EVIL, "region": EVIL}
    talk.table(("subject",), [[EVIL], [Text(EVIL)]])
    talk.say(EVIL)
    talk.console(sys.stdout).print(talk.decision(event))
    talk.console(sys.stdout).print(talk.log_line(EVIL, EVIL, 0.0))
    pipeline._print(EVIL)
    pipeline._tell(EVIL)
    told = capsys.readouterr()
    assert harmless(told.out)
    assert harmless(told.err)
    assert (told.out + told.err).count("end") == 11


def test_a_terminal_that_is_redrawn_is_moved_by_us_alone():
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    with Live(console=talk.console(screen, fitted=True), auto_refresh=False) as live:
        live.update(Text(EVIL), refresh=True)
    assert "\x1b[?25l" in screen.getvalue(), "the cursor is hidden while it is redrawn"
    for part in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\u202e"):
        assert part not in screen.getvalue()


def test_logs_and_their_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "flyball.toml").write_text("name = 'shop'\n[services.web]\nrun = 'x'\n")
    logs = tmp_path / ".flyball" / "logs"
    logs.mkdir(parents=True)
    line = "\x1b[31mred\x1b[0m \x1b]0;title\x07end"
    (logs / "web-1.log").write_text(f"{line}\n")
    assert outcome(["logs", "--file", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "web-1    | red end\n"
    assert outcome(["logs", "--file", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["line"] == line


def test_an_error_says_what_a_file_or_the_command_line_holds(capsys: pytest.CaptureFixture[str]):
    assert outcome(["logs", "--file", f"/nowhere/{EVIL.replace(chr(0), '')}"]) != 0
    assert outcome([f"x{EVIL}"]) != 0
    assert harmless(capsys.readouterr().err)
