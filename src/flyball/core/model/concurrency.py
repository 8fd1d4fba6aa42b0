"""How many requests may an instance work on at a time, and where do the others wait?

Rule: a number is the limit, 0 is none. "auto" believes a server whose command says how many it takes (`gunicorn -w 2
--threads 4`, `puma -w 2 -t 5:5`, `php -S`); for any other the number is found out while it runs (`core/control`).
A configuration file may change what a command leaves out, so only a command that says all of it is believed.

AWS: an Application Load Balancer has neither. The word is Knative's and Cloud Run's.
https://cloud.google.com/run/docs/about-concurrency
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

AUTO: Literal["auto"] = "auto"
Concurrency = int | Literal["auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Requests that wait for a free place: `most` at a time, none longer than `longest_s`. Others get a 503."""

    most: int = 10_000
    longest_s: float = 50.0

    def within(self, idle_s: float) -> float:
        """How long a request waits at most: at the idle timeout it would be answered 504."""
        return self.longest_s if self.longest_s < idle_s else 0.9 * idle_s


@lru_cache(maxsize=256)  # at every step, and always the same
def believed(run: str, environment: tuple[tuple[str, str], ...]) -> int | None:
    """How many requests the server of this command line says that it takes at a time; None when it does not say."""
    words = shlex.split(run)
    programs = [word.rpartition("/")[2] for word in words]
    for server, read in (("gunicorn", _gunicorn), ("puma", _puma), ("php", _php)):
        if server in programs:
            return read(words[programs.index(server) + 1 :], dict(environment))
    return None


def _gunicorn(words: Sequence[str], _environment: Mapping[str, str]) -> int | None:
    """https://docs.gunicorn.org/en/stable/settings.html: the command line wins over the file and the environment."""
    kind = _option(words, "-k", "--worker-class")
    if kind not in {None, "sync", "gthread"}:
        return None
    return _product(_option(words, "-w", "--workers"), _option(words, "--threads"))


def _puma(words: Sequence[str], _environment: Mapping[str, str]) -> int | None:
    """https://puma.io/puma/file.README.html#thread-pool: `-t` is the fewest and the most threads of a worker."""
    threads = _option(words, "-t", "--threads")
    workers = _option(words, "-w", "--workers")
    return _product("1" if workers == "0" else workers, None if threads is None else threads.rpartition(":")[2])


def _php(words: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """https://www.php.net/manual/en/features.commandline.webserver.php: one at a time, or as many as it has workers."""
    if _option(words, "-S") is None:
        return None
    return _product(environment.get("PHP_CLI_SERVER_WORKERS", "1"))


def _option(words: Sequence[str], *names: str) -> str | None:
    """The value of an option, written `-w 4`, `-w4`, `--workers 4` or `--workers=4`; the last one counts."""
    found = None
    for index, word in enumerate(words):
        for name in names:
            behind = "=" if name.startswith("--") else ""
            if word == name and index + 1 < len(words):
                found = words[index + 1]
            elif word.startswith(name + behind) and word != name and (behind or not word.startswith("--")):
                found = word.removeprefix(name + behind)
    return found


def _product(*numbers: str | None) -> int | None:
    product = 1
    for number in numbers:
        if number is None or not number.isdecimal():
            return None
        product *= int(number)
    return product or None
