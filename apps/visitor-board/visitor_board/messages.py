"""What a message is, and which words are accepted as one."""

import re
import secrets
import time
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime

NAME_MAX = 40
MESSAGE_MAX = 500
"""Longest name and message, in characters after cleaning."""

_POSTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z-[0-9a-f]{16}")
_HIDDEN = frozenset({"Cc", "Cs", "Co", "Cn"})
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message on the board. `posted` is its id and its place: newest is greatest."""

    posted: str
    name: str
    message: str

    @property
    def at(self) -> datetime:
        """When it was posted, by the clock of the instance that took it."""
        return datetime.fromisoformat(self.posted[:26]).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a visitor typed, cleaned, and what is wrong with it, by field."""

    name: str
    message: str
    mistakes: dict[str, str]


def new_posted() -> str:
    """A key that sorts by time and is never given twice.

    UTC time in microseconds and 64 random bits: two instances that take a message in the same microsecond
    collide once in 10^19.
    """
    at = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z-{secrets.token_hex(8)}"


def is_posted(text: str) -> bool:
    """Whether `text` has the form of a message's key."""
    return _POSTED.fullmatch(text) is not None


def draft(name: object, message: object) -> Draft:
    """Clean both fields and say what is wrong with each."""
    clean_name = " ".join(_visible(name).split())
    clean_message = _visible(message).strip()
    mistakes: dict[str, str] = {}
    for field, text, most in (("name", clean_name, NAME_MAX), ("message", clean_message, MESSAGE_MAX)):
        if all(char.isspace() or unicodedata.category(char) == "Cf" for char in text):
            mistakes[field] = f"Please write a {field}."
        elif len(text) > most:
            mistakes[field] = f"At most {most} characters, please; this has {len(text)}."
    return Draft(name=clean_name, message=clean_message, mistakes=mistakes)


def _visible(value: object) -> str:
    """The text without what cannot be seen: control characters, half surrogates, marks that reverse what follows."""
    if not isinstance(value, str):
        return ""
    text = unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " "))
    return "".join(
        char for char in text if char == "\n" or (char not in _DIRECTION and unicodedata.category(char) not in _HIDDEN)
    )
