"""Runs the commands of a page as a reader would, in a place of its own."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from acceptance.running import Running
from flyball.cli.lab.shell import Shell, interrupt
from flyball.local.process.ports import free_port
from pages import ROOT, Block
from waiting import until

LEFT_BEHIND = shutil.ignore_patterns(".flyball", ".venv", "__pycache__")
WITHIN_S = 180.0


class PageRun:
    """A directory like a checkout, with `apps` and `bin/flyball`, and a shell that goes from block to block.

    Port 8080 of a page is a free one here, and 8443 another.
    """

    def __init__(self, directory: Path) -> None:
        self.home = directory / "checkout"
        self._state = directory / "state"
        self._ports = {"8080": free_port(), "8443": free_port()}
        self._started: list[subprocess.Popen[bytes]] = []
        self._said = ""
        self.home.mkdir()
        self._state.mkdir()
        for folder in ("apps", "docs"):
            shutil.copytree(ROOT / folder, self.home / folder, ignore=LEFT_BEHIND)
        command = self.home / "bin" / "flyball"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flyball "$@"\n')
        command.chmod(0o755)
        self._shell = Shell(self._state, begin=self.home)
        self._shell.export(f'PATH="{command.parent}:$PATH"')

    def follow(self, block: Block) -> None:
        """Do what one block asks for."""
        if block.key == "file":
            (self._shell.here / block.value).write_text(self._here_ported(block.body))
        elif block.language == "sh" and block.key == "until":
            self._start(block)
        elif block.language == "sh" and block.key != "notest":
            self._run(block)
        elif block.language == "text" and block.key != "example":
            self._compare(block)

    def clean_up(self) -> None:
        """Ctrl-C what was started, then stop every application that is left."""
        for process in self._started:
            interrupt(process, patience_s=WITHIN_S)
        for state in self.home.parent.rglob(".flyball"):
            Running(state.parent).clean_up()

    def _here_ported(self, text: str) -> str:
        for port, free in self._ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        return text

    def _script(self, block: Block) -> str:
        body = block.body
        if "--port" not in body:
            port = "8443" if "8443" in body else "8080"
            body = re.sub(r"\bflyball up\b", f"flyball up --port {port}", body)
        return self._here_ported(body)

    def _popen(self, block: Block, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as out:
            return self._shell.start(self._script(block), out)

    def _run(self, block: Block) -> None:
        log = self._state / "out"
        process = self._popen(block, log)
        try:
            process.wait(timeout=float(block.value.rstrip("s")) if block.key == "for" else WITHIN_S)
        except subprocess.TimeoutExpired:
            interrupt(process, patience_s=WITHIN_S)
            if block.key != "for":
                pytest.fail(f"line {block.line}: still running after {WITHIN_S:g} s\n{block.body}{log.read_text()}")
        self._said = log.read_text(errors="replace")
        good = {0, 130, -signal.SIGINT} if block.key == "for" else {int(block.value) if block.key == "exit" else 0}
        if process.returncode not in good and not generator_was_late(process.returncode, self._said):
            pytest.fail(f"line {block.line}: ended with {process.returncode}\n{block.body}{self._said}")

    def _start(self, block: Block) -> None:
        log = self._state / f"started-{len(self._started)}"
        self._started.append(self._popen(block, log))
        what = f"line {block.line}: says {block.value!r}\n{block.body}"
        process = self._started[-1]

        def said_or_ended() -> bool:
            return block.value in log.read_text(errors="replace") or process.poll() is not None

        until(said_or_ended, what=what, within_s=WITHIN_S, story=log.read_text)
        self._said = log.read_text(errors="replace")
        if block.value not in self._said:
            pytest.fail(f"{what}ended without\n{self._said}")

    def _compare(self, block: Block) -> None:
        for line in block.body.splitlines():
            if line.strip() and not re.search(pattern(line), self._said):
                pytest.fail(f"line {block.line}: the page shows {line!r}, but what was said is\n{self._said}")


def generator_was_late(code: int, said: str) -> bool:
    """Whether `flyball load` ended with 1 only because this machine was busy: all requests were ok all the same."""
    return (
        code == 1 and "numbers not valid" in said and re.search(r"^ok \d+  failed 0$", said, re.MULTILINE) is not None
    )


def pattern(line: str) -> str:
    """What a shown line must look like: any digits for digits, any space for space, anything for `...`."""
    parts = re.split(r"(\.\.\.|\s+|\d[\d.:-]*)", line.strip())
    return "".join(
        ".*" if part == "..." else r"\s+" if part.isspace() else r"[\d.:-]+" if part[:1].isdigit() else re.escape(part)
        for part in parts
    )
