"""What is wrong with the file, and where? One complaint per mistake, drawn with its line and a caret.

A complaint's column is the first character of the offending key or value, its length what the caret underlines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flyball.core.errors import FileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """`path` as in `services.web.instances.min`, "" for the whole file; `line` and `column` count from 1, None unknown.

    `hint` is what to write instead, or "".
    """

    path: str
    line: int | None = None
    column: int | None = None
    length: int = 1
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityWarning:
    """Something that runs, but not as one may think. `url` is the page of AWS that says so, or ""."""

    path: str
    message: str
    url: str = ""


class ManifestError(FileError):
    """The file has mistakes; nothing was started."""

    def __init__(self, complaints: Sequence[Complaint], text: str, filename: str) -> None:
        self.complaints = tuple(complaints)
        super().__init__(render(self.complaints, text, filename))


def render(complaints: Sequence[Complaint], text: str, filename: str) -> str:
    """Every complaint with its line and caret, and the count at the end."""
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
    # Tabs and control characters become one space each, so that the caret stands under its character.
    line = "".join(character if character.isprintable() else " " for character in lines[complaint.line - 1])
    room = max(1, min(complaint.length, len(line) - complaint.column + 1))
    caret = " " * (complaint.column - 1) + "^" * room
    return f"{sentence}\n{complaint.line:>6} | {line}\n       | {caret}"
