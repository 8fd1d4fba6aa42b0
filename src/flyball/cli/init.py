"""`flyball init`: write a file that fits what is there, or copy an example application. Nothing is overwritten."""

from __future__ import annotations

import shlex
import shutil
from importlib import resources
from pathlib import Path

import flyball
from flyball.beside import detect, name_from, written
from flyball.core.errors import Failed

from . import talk
from .files import NAME
from .schema import text as schema_text

SCHEMA = "flyball.schema.json"
# Files that running an example leaves in a checkout are not copied.
_LEFT_BEHIND = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "node_modules")


def run(directory: Path, example: str | None) -> int:
    """Write into `directory`, which is created if missing. Raises Failed if a file already exists."""
    target = directory.absolute()
    if target.exists() and not target.is_dir():
        raise Failed(f"{target} is a file, not a directory")
    if example is None:
        _write_file(target)
    else:
        _copy_example(example, target)
    if not (target / SCHEMA).exists():
        (target / SCHEMA).write_text(schema_text(), encoding="utf-8")
    where = "" if target == Path.cwd() else f" {shlex.quote(str(directory))}"
    talk.say(f"wrote {target / NAME}; start it with: flyball up{where}")
    return 0


def examples() -> Path:
    """The directory of the reference applications: in the package, or `apps` of a source checkout."""
    package = Path(flyball.__file__).parent
    packed = package / "examples"
    return packed if packed.is_dir() else package.parents[1] / "apps"


def _write_file(target: Path) -> None:
    if (target / NAME).exists():
        raise Failed(f"{target / NAME} already exists; nothing was changed")
    found = detect(target) if target.is_dir() else ()
    template = resources.files("flyball.cli").joinpath("templates", NAME).read_text(encoding="utf-8")
    target.mkdir(parents=True, exist_ok=True)
    name = name_from(target.name, "app")
    text = written(name, found) if found else template.replace("NAME", name, 1)
    (target / NAME).write_text(text, encoding="utf-8")
    for draft in found:
        talk.say(f"found {draft.what}: {draft.run}")
        for note in draft.notes:
            talk.say(f"  {note}", "yellow")


def _copy_example(example: str, target: Path) -> None:
    source = examples() / example
    if not (source / NAME).is_file():
        known = sorted(path.parent.name for path in examples().glob(f"*/{NAME}"))
        raise Failed(f"there is no example {example!r}; choose from: {', '.join(known)}")
    taken = sorted(path.name for path in source.iterdir() if (target / path.name).exists())
    if taken:
        raise Failed(f"{target} already has {', '.join(taken)}; nothing was copied")
    shutil.copytree(source, target, ignore=_LEFT_BEHIND, dirs_exist_ok=True)
