"""The few things that Flyball asks git: where a work tree begins, what a commit holds."""

from __future__ import annotations

import os
import posixpath
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyball.core.errors import Failed

TIMEOUT_S = 300.0
_FILTER: Mapping[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """`id` is the whole hash; `short` and the first line of the message are for people."""

    id: str
    short: str
    author: str
    subject: str


def run(*arguments: str, directory: Path) -> str:
    """What git prints, without the last line's end. Raises Failed with its complaint, or when it is not installed."""
    return _run(arguments, directory).stdout.decode(errors="replace").rstrip("\n")


def ask(*arguments: str, directory: Path) -> str | None:
    """What git prints; None when it says no. Raises Failed when it is not installed."""
    done = _run(arguments, directory, must=False)
    return done.stdout.decode(errors="replace").rstrip("\n") if done.returncode == 0 else None


def commit(repository: Path, reference: str) -> Commit:
    """The commit that a reference means. Raises Failed when there is none."""
    shown = run("log", "-1", "--no-show-signature", "--format=%H%n%h%n%an%n%s", reference, "--", directory=repository)
    found, short, author, subject, *_ = [*shown.split("\n"), "", "", ""]
    return Commit(id=found, short=short, author=author, subject=subject)


def export(repository: Path, reference: str, into: Path) -> None:
    """Unpack the whole tree of a commit into a directory. Raises Failed for no such commit or an unsafe tree.

    Files only, as `git archive` gives them: no submodules, nothing marked `export-ignore`.
    """
    top = run("rev-parse", "--git-dir", directory=repository)
    with tempfile.TemporaryFile() as archive:
        _run(("--git-dir", top, "archive", "--format=tar", reference), repository, output=archive.fileno())
        archive.seek(0)
        try:
            with tarfile.open(fileobj=archive) as tar:
                _refuse_ways_out(tar)
                tar.extractall(into, **_FILTER)  # noqa: S202 - git names nothing outside, and links were looked at
        except (tarfile.TarError, OSError) as error:
            raise Failed(f"the tree of {reference} cannot be unpacked: {error}") from error


def _refuse_ways_out(tar: tarfile.TarFile) -> None:
    """Raise TarError for a link that leads out of the tree. Python has a filter for that only since 3.11.4."""
    for member in tar:
        if member.issym() or member.islnk():
            beside = posixpath.dirname(member.name) if member.issym() else ""
            target = posixpath.normpath(posixpath.join(beside, member.linkname))
            if posixpath.isabs(target) or target.split("/")[0] == "..":
                raise tarfile.TarError(f"{member.name} leads to {member.linkname}, out of the tree")


def environment() -> dict[str, str]:
    """Ours, without what git sets for a hook: these commands are about their own directory."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def _run(
    arguments: tuple[str, ...], directory: Path, *, must: bool = True, output: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise Failed("git is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"git {arguments[0]} did not end within {TIMEOUT_S:g} s") from error
    if must and done.returncode != 0:
        raise Failed(done.stderr.decode(errors="replace").strip() or f"git {arguments[0]} failed")
    return done
