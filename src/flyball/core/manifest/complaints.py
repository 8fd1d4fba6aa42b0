"""What is wrong with the file, and where: complaints, each shown with its line and a caret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flyball.core.errors import FileError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One thing wrong with the file. `path` is like `services.web.instances.min`, or "" for the whole file.

    `line` and `column` count from 1 and are None when unknown; the caret underlines `length` characters from there.
    `hint` says what to write instead, or is "".
    """

    path: str
    line: int | None = None
    column: int | None = None
    length: int = 1
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """A complaint whose place in the text is not known yet: a check sees tables, not the text.

    `on_key` underlines the key, not the value. `also` are other keys it depends on: it is dropped when one is invalid.
    """

    path: Path
    message: str
    hint: str = ""
    on_key: bool = False
    also: tuple[Path, ...] = ()


class ManifestError(FileError):
    """The file has complaints; nothing was started."""

    def __init__(self, complaints: Sequence[Complaint], text: str, filename: str) -> None:
        self.complaints = tuple(complaints)
        super().__init__(render(self.complaints, text, filename))


def render(complaints: Sequence[Complaint], text: str, filename: str) -> str:
    """All complaints, each with its line and caret, then their count."""
    lines = text.replace("\r\n", "\n").split("\n")
    drawn = [_draw(complaint, lines, filename) for complaint in complaints]
    count = len(complaints)
    drawn.append(f"{count} error{'' if count == 1 else 's'}; nothing was started")
    return "\n".join(drawn)


def _draw(complaint: Complaint, lines: list[str], filename: str) -> str:
    place = f"{filename}:{complaint.line}:{complaint.column}" if complaint.line else filename
    what = f"{complaint.path}: {complaint.message}" if complaint.path else complaint.message
    sentence = f"{place}: {what}" + (f", {complaint.hint}" if complaint.hint else "")
    if complaint.line is None or complaint.column is None:
        return sentence
    # Tabs and control characters become one space each, so that the caret lines up.
    line = "".join(character if character.isprintable() else " " for character in lines[complaint.line - 1])
    room = max(1, min(complaint.length, len(line) - complaint.column + 1))
    caret = " " * (complaint.column - 1) + "^" * room
    return f"{sentence}\n{complaint.line:>6} | {line}\n       | {caret}"
