"""Goes through a session: shows a step, waits for it or does it, and checks its outcome."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path
from typing import TextIO

from rich.markdown import Markdown

import flyball
from flyball.cli import talk
from flyball.core.errors import Failed, FileError

from .checks import Seen, missing
from .page import FENCE, Block, Page, Step, page_of
from .place import PORT, Place, find, finish, forget
from .shell import Shell, interrupt

SESSIONS = ("session-1", "session-2")
LONGEST_S = 180.0  # that commands may take
PATIENCE_S = 60.0  # for what the running application has just been asked for
EVERY_S = 0.5


def run(session: str, text: str, here: Path, person: TextIO | None, *, restart: bool, port: int | None) -> int:
    """Go on with a session in the directory `here`, or begin it; `text` is its page.

    `person` types the answers; None: nobody is there, and it is gone through unattended. Returns 1 at the first step
    that was not reached, or where it was left.
    """
    if person is not None and not person.isatty():
        raise FileError("`flyball lab` asks what to do next and needs a terminal; `--yes` goes through unattended")
    if restart:
        forget(here, session)
    page, place = page_of(text), find(here, session, port)
    if place.step >= len(page.steps):
        raise Failed(f"{place.state} was kept by another version of Flyball; begin anew with --restart")
    shell = Shell(place.state, begin=here)
    if place.step == 0:
        shell.export(f'PATH="{_command(place.state)}:$PATH"')
        shell.save()
        _show(f"# {page.title}\n\n{page.introduction}", place)
    for number in range(place.step, len(page.steps)):
        if not _take(page, number, place, shell, person):
            return 1
        shell.save()
        place = place.at(number + 1)
    finish(place)
    talk.say(f"{page.title}: done", "bold green")
    return 0


def text(session: str) -> str:
    """The page of a session: in the package, or of a source checkout. Raises Failed if it was not installed."""
    packed = Path(str(resources.files(flyball))) / "workshop"
    pages = packed if packed.is_dir() else packed.parents[2] / "docs" / "workshop"
    try:
        return (pages / f"{session}.md").read_text(encoding="utf-8")
    except OSError as error:
        raise Failed(f"the page of {session} is missing from this installation: {error.strerror}") from None


def _command(state: Path) -> Path:
    """A directory with this very `flyball`, which need not be in the caller's PATH."""
    command = state / "bin" / "flyball"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flyball "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return command.parent


def _take(page: Page, number: int, place: Place, shell: Shell, person: TextIO | None) -> bool:
    """One step, until it is reached; False if it was not, or the session was left."""
    step = page.steps[number]
    _show(f"## Step {number + 1} of {len(page.steps)}: {step.name}\n\n{step.text if person else ''}", place)
    while True:
        chosen = _asked(person, place) if person else "r"
        if chosen == "q":
            talk.say(f"left at step {number + 1}; go on with: flyball lab {place.session}")
            return False
        wrong = _run(step, place, shell) if chosen == "r" else None
        wrong = wrong or _not_reached(step, place)
        if wrong is None:
            talk.say("reached", "green")
            return True
        talk.say(f"not reached: {wrong}", "red")
        if person is None:
            talk.say(f"what runs is kept; go on with `flyball lab {place.session}`, or begin anew with --restart")
            return False


def _asked(person: TextIO, place: Place) -> str:
    sys.stderr.write(f"[{place.directory}]  Enter: I did it, check it   r: run the commands for me   q: leave > ")
    sys.stderr.flush()
    line = person.readline()
    return line.strip().lower()[:1] if line else "q"


def _run(step: Step, place: Place, shell: Shell) -> str | None:
    """Type a step's commands; what went wrong, None if nothing."""
    shell.rewind()  # a step that was left halfway begins where it began
    for block in step.blocks:
        if block.typed and (wrong := _typed(block, place, shell)):
            return wrong
    return None


def _typed(block: Block, place: Place, shell: Shell) -> str | None:
    commands = _at_port(block.body, place.port)
    for line in commands.rstrip().splitlines():
        talk.say(f"$ {line}", "bold")
    process = shell.start(commands)
    try:
        code = process.wait(timeout=float(block.value.rstrip("s")) if block.key == "for" else LONGEST_S)
    except subprocess.TimeoutExpired:
        interrupt(process)
        return None if block.key == "for" else f"the commands still ran after {LONGEST_S:g} s"
    except KeyboardInterrupt:
        interrupt(process)
        raise
    wanted = int(block.value) if block.key == "exit" else 0
    late = code == 1 and "flyball load" in commands  # on a busy machine it calls its own numbers invalid
    return None if code == wanted or late else f"the commands ended with {code}"


def _at_port(commands: str, port: int) -> str:
    """The page's commands with the port in use here instead of the page's."""
    if port == PORT:
        return commands
    return re.sub(rf"\b{PORT}\b", str(port), re.sub(r"\bflyball up\b", f"flyball up --port {port}", commands))


def _not_reached(step: Step, place: Place) -> str | None:
    """What is missing of a step's outcome; looks again for a while, because an application takes its time."""
    if step.reached is None:
        return None
    deadline = time.monotonic() + PATIENCE_S
    seen = Seen(place.application, place.began)
    while (wrong := missing(step.reached, seen)) and time.monotonic() < deadline:
        time.sleep(EVERY_S)
    return wrong


def _show(markdown: str, place: Place) -> None:
    """Prose fits the terminal; commands and what they print stand as they are, to be copied."""
    console, at = talk.console(sys.stderr, fitted=True), 0
    text = _at_port(markdown, place.port)
    for found in FENCE.finditer(text):
        console.print(Markdown(text[at : found.start()]))
        typed = found["info"].startswith("sh")
        for line in found["body"].splitlines():
            talk.say(f"    {'$ ' if typed else ''}{line}", "bold" if typed else "dim")
        at = found.end()
    console.print(Markdown(text[at:]))
