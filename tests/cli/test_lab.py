"""`flyball lab`: what a page consists of, what a step must reach, and how a session is left and resumed."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from flyball.cli.lab import checks, place, walk
from flyball.cli.lab.page import page_of
from flyball.cli.lab.shell import Shell
from flyball.cli.main import outcome
from flyball.core.errors import Failed, FileError, NotRunning
from pages import ROOT

PAGE = """# A session

What it is for.

## 1. First (0-10 min)

Type this:

```sh
echo one > said
```

<!-- reached: stopped -->

## 2. Second

```sh exit: 3
cat said && exit 3
```

```text
one
```
"""


def test_a_page_is_steps_with_blocks_and_a_check() -> None:
    page = page_of(PAGE)

    assert (page.title, page.introduction) == ("A session", "What it is for.")
    assert [(step.title, step.reached) for step in page.steps] == [
        ("1. First (0-10 min)", "stopped"),
        ("2. Second", None),
    ]
    assert [(block.key, block.typed) for block in page.steps[1].blocks] == [("exit", True), ("", False)]
    assert "reached" not in page.steps[0].text


@pytest.mark.parametrize("session", ["session-1", "session-2"])
def test_each_step_of_the_sessions_has_a_check_that_exists(session: str) -> None:
    page = page_of(walk.text(session))

    assert len(page.steps) >= 4
    assert all(step.reached in checks.CHECKS for step in page.steps)
    assert all(any(block.typed for block in step.blocks) for step in page.steps)


class Pretended(checks.Seen):
    """An application as a test wants it."""

    capacity: dict[str, int]
    service_: dict[str, Any]
    happened: list[dict[str, Any]]
    answers: list[tuple[int, str, str]]

    def application(self) -> Any:
        if not self.service_:
            raise NotRunning("gone")
        return {"services": [self.service_]}

    def events(self, *kinds: str) -> Any:
        return [one for one in self.happened if one["kind"] in kinds]

    def page(self) -> tuple[int, str, str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def pretended(
    *,
    capacity: tuple[int, int] = (1, 1),
    release: int = 1,
    instances: tuple[int, ...] = (1,),
    rollout: object = None,
    events: tuple[str, ...] = (),
    answers: tuple[tuple[int, str, str], ...] = ((200, "web-1", ""),),
) -> Pretended:
    seen = Pretended(Path(), 0.0)
    service = {
        "name": "web",
        "release": release,
        "rollout": rollout,
        "capacity": {"in_service": capacity[0], "max": capacity[1]},
        "instances": [{"id": f"web-{number}", "release": of} for number, of in enumerate(instances)],
    }
    happened = [{"kind": kind, "at": float(at)} for at, kind in enumerate(events)]
    for name, value in {"service_": service, "happened": happened, "answers": list(answers)}.items():
        object.__setattr__(seen, name, value)
    return seen


BOARD = (200, "web-2", "Hello from Session 1")
CASES = [
    ("one-node", pretended(), None),
    ("one-node", pretended(capacity=(1, 10)), "allows up to 10"),
    ("one-node", pretended(capacity=(0, 1)), "no instance is in service"),
    ("replaced-and-kept", pretended(events=("failed",), answers=(BOARD,)), None),
    ("replaced-and-kept", pretended(answers=(BOARD,)), "no instance has died"),
    ("replaced-and-kept", pretended(events=("failed",)), "does not show the message"),
    ("replaced-and-kept", pretended(capacity=(0, 1), events=("failed",)), "not in service yet"),
    ("endpoint-answers", pretended(), None),
    ("endpoint-answers", pretended(answers=((503, "", ""),)), "answered 503"),
    ("stopped", pretended(), "still running"),
    ("several-serve", pretended(capacity=(3, 9), events=("failed",), answers=((200, "web-1", ""), BOARD)), None),
    ("several-serve", pretended(capacity=(3, 9), events=("failed",)), "only web-1 answered"),
    ("several-serve", pretended(capacity=(3, 9), answers=((200, "web-1", ""), BOARD)), "none of the three was killed"),
    ("several-serve", pretended(capacity=(2, 9)), "2 in service, not 3"),
    ("second-release", pretended(release=2, instances=(2, 2)), None),
    ("second-release", pretended(release=2, instances=(1, 2)), "web-0 of an older release"),
    ("second-release", pretended(), "release 1 still serves"),
    ("second-release", pretended(release=2, rollout={}), "not finished"),
    ("loop-seen", pretended(events=("scale_out", "scale_in")), None),
    ("loop-seen", pretended(events=("scale_out", "held")), None),
    ("loop-seen", pretended(events=("held", "scale_out")), "nothing was decided"),
    ("loop-seen", pretended(), "has not scaled out"),
]


@pytest.mark.parametrize(("name", "seen", "says"), CASES)
def test_a_check_says_what_is_missing(name: str, seen: Pretended, says: str | None) -> None:
    missing = checks.missing(name, seen)

    assert missing is None if says is None else missing is not None and says in missing


def test_an_application_that_does_not_run_has_reached_only_its_end() -> None:
    seen = pretended()
    object.__setattr__(seen, "service_", {})

    assert checks.missing("stopped", seen) is None
    assert "not running" in str(checks.missing("one-node", seen))


def test_a_shell_goes_on_where_it_was_left_and_can_be_rewound(tmp_path: Path) -> None:
    start = tmp_path / "start with a space"
    (start / "below").mkdir(parents=True)

    def run(commands: str) -> str:
        out = tmp_path / "out"
        with out.open("wb") as to:
            assert Shell(tmp_path / "state", begin=start).start(commands, to).wait(30) == 0
        return out.read_text()

    run("cd below; NAME='a b'; export NAME")
    assert run('pwd; echo "$NAME"') == f"{start}/below\na b\n"
    Shell(tmp_path / "state", begin=start).rewind()
    assert run('pwd; echo "[$NAME]"') == f"{start}\n[]\n"


def test_a_session_is_walked_left_and_resumed(tmp_path: Path) -> None:
    page = PAGE.replace("cat said && exit 3", "cat said && test -e go && exit 3")

    def session(port: int | None) -> int:
        return walk.run("session-1", page, tmp_path, None, restart=False, port=port)

    assert session(18080) == 1
    assert (tmp_path / "said").read_text() == "one\n"
    kept = place.find(tmp_path, "session-1", None)
    assert (kept.step, kept.port) == (1, 18080)
    (tmp_path / "said").write_text("two\n")  # the first step is not done again
    (tmp_path / "go").touch()
    assert session(None) == 0
    assert (tmp_path / "said").read_text() == "two\n"
    assert not (tmp_path / ".flyball-lab" / "session-1").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_person_is_asked_and_may_leave(tmp_path: Path) -> None:
    assert walk.run("session-2", PAGE, tmp_path, Terminal("r\nq\n"), restart=False, port=None) == 1
    assert place.find(tmp_path, "session-2", None).step == 1


def test_restart_deletes_only_what_a_session_made(tmp_path: Path) -> None:
    mine = tmp_path / "board" / "mine"
    mine.parent.mkdir()
    mine.touch()
    place.find(tmp_path, "session-1", 18080)
    place.forget(tmp_path, "session-1")
    assert mine.exists()

    mine.unlink()
    mine.parent.rmdir()
    place.find(tmp_path, "session-1", 18080)
    mine.parent.mkdir()
    place.forget(tmp_path, "session-1")
    assert not mine.parent.exists()


def test_wrong_use_is_one_sentence(tmp_path: Path) -> None:
    assert outcome(["lab", "session-3"]) == 2
    with pytest.raises(FileError, match="needs a terminal; `--yes`"):
        walk.run("session-1", PAGE, tmp_path, io.StringIO(), restart=False, port=None)
    damaged = tmp_path / ".flyball-lab" / "session-1" / "place.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{")
    with pytest.raises(Failed, match="is damaged; begin anew with --restart"):
        walk.run("session-1", PAGE, tmp_path, None, restart=False, port=None)


def test_each_diagram_is_drawn_from_the_text_beside_it() -> None:
    texts = sorted((ROOT / "docs" / "diagrams").glob("*.mmd"))

    assert len(texts) == 5
    for text in texts:
        made = hashlib.sha256(text.read_bytes()).hexdigest()
        assert made in text.with_suffix(".svg").read_text().partition("\n")[0], (
            f"{text}: draw it anew, docs/diagrams.py"
        )
