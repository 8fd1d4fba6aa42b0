"""The git repository that takes pushes: `.flyball/git`, bare, with a hook that drops each push into the spool.

The hook is a few lines of shell, so that a push is kept even when this Python is gone; then it hands over to
`flyball post-receive`, which shows the pipeline's stages to the pusher as `remote:` lines.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import structlog

from flyball.core.errors import Failed
from flyball.core.model import Application, Pipeline
from flyball.local.paths import StateDirectory

from . import git

log = structlog.get_logger()
REMOTE = "flyball"
_HOOK = """#!/bin/sh
# Written by `flyball up`, which writes it anew each time.
branch={branch}
spool={spool}
python={python}
job=
while read -r old new ref; do
    case "$new" in *[!0]*) ;; *) continue ;; esac
    if [ "$ref" != "refs/heads/$branch" ]; then
        echo "$ref is kept; only $branch is rolled out"
        continue
    fi
    job="$(date +%s)-$$"
    printf '%s\\n' "$new" > "$spool/.$job" && mv "$spool/.$job" "$spool/$job"
done
[ -n "$job" ] || exit 0
if [ ! -x "$python" ]; then
    echo "the push is kept and runs when \\`flyball up\\` comes back ($python is gone)"
    exit 0
fi
exec "$python" -P -m flyball post-receive {file} "$job"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where to push. `name` is the remote of the work tree, None without one; `note` says why, once, if it matters."""

    url: str
    name: str | None
    branch: str
    note: str = ""


def prepare(paths: StateDirectory, file: Path, *, branch: str, asked: bool = True) -> Remote:
    """Make or mend the repository and its hook, and the work tree's remote `flyball` where there is a work tree.

    A remote is added only if `asked`; another one of that name is left alone. Raises Failed when git is missing or
    refuses.
    """
    try:
        paths.spool.mkdir(mode=0o700, exist_ok=True)
        _make_repository(paths.git, branch)
        _write_hook(paths, file, branch)
    except OSError as error:
        raise Failed(f"the repository {paths.git} cannot be made: {error.strerror}") from error
    name, note = _add_remote(paths, file.parent, asked=asked)
    return Remote(url=str(paths.git.absolute()), name=name, branch=branch, note=note)


async def offer(paths: StateDirectory, file: Path, app: Application) -> Remote | None:
    """Make the repository ready; None, with a warning, where that fails: an application runs without git, too.

    A `test`, which only pushes run, or a `[pipeline]` of its own asks for the remote.
    """
    asked = app.pipeline != Pipeline() or any(service.test for service in app.services)
    try:
        return await asyncio.to_thread(prepare, paths, file, branch=app.pipeline.branch, asked=asked)
    except Failed as error:
        log.warning("no git push", error=str(error))
        return None


def prefix(repository: Path) -> str:
    """Where the file's directory lies in the pushed tree: "" for its root, else such as "services/shop/"."""
    return git.ask("config", "flyball.prefix", directory=repository) or ""


def _make_repository(repository: Path, branch: str) -> None:
    if not (repository / "HEAD").exists():
        repository.mkdir(mode=0o700, exist_ok=True)
        git.run("init", "--quiet", "--bare", "--template=", ".", directory=repository)
        (repository / "hooks").mkdir(exist_ok=True)
        settings = {
            "receive.denyNonFastForwards": "true",
            "receive.denyDeletes": "true",
            "receive.fsckObjects": "true",
            "core.hooksPath": str(repository.absolute() / "hooks"),  # a user's own setting must not replace ours
        }
        for key, value in settings.items():
            git.run("config", key, value, directory=repository)
    head = f"ref: refs/heads/{branch}\n"
    if (repository / "HEAD").read_text(encoding="utf-8") != head:
        git.run("symbolic-ref", "HEAD", f"refs/heads/{branch}", directory=repository)


def _write_hook(paths: StateDirectory, file: Path, branch: str) -> None:
    hook = paths.git / "hooks" / "post-receive"
    text = _HOOK.format(
        branch=shlex.quote(branch),
        spool=shlex.quote(str(paths.spool.absolute())),
        python=shlex.quote(sys.executable),
        file=shlex.quote(str(file.absolute())),
    )
    temporary = hook.with_suffix(".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o755)
    temporary.replace(hook)


def _add_remote(paths: StateDirectory, directory: Path, *, asked: bool) -> tuple[str | None, str]:
    """The remote's name (None without) and what there is to say about it."""
    inside = git.ask("rev-parse", "--show-prefix", directory=directory)
    if inside is None:
        return None, ""
    git.run("config", "flyball.prefix", inside, directory=paths.git)
    wanted = str(paths.git.absolute())
    known = git.ask("config", f"remote.{REMOTE}.url", directory=directory)
    if known == wanted:
        return REMOTE, ""
    if known is None and not asked:
        return None, f"git remote add {REMOTE} {shlex.quote(wanted)} names it"
    if known is None:
        git.run("remote", "add", REMOTE, wanted, directory=directory)
        return REMOTE, f"remote {REMOTE} added to the git work tree"
    if known.endswith("/.flyball/git") and not Path(known).exists():  # ours, before the directory was moved
        git.run("remote", "set-url", REMOTE, wanted, directory=directory)
        return REMOTE, f"remote {REMOTE} now leads here"
    return None, f"the remote {REMOTE} of this work tree leads elsewhere and stays"
