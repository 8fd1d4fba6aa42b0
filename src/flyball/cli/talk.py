"""How the command line prints: data on stdout, messages on stderr, colour only on a terminal, tables without boxes."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TextIO
from zlib import crc32

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from flyball.core.view.shapes import EventJson

WIDE = 1_000
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")
KIND_STYLES = {
    "scale_out": "bold green",
    "scale_in": "bold blue",
    "held": "dim",
    "failed": "bold red",
    "unhealthy": "red",
    "rolled_back": "bold red",
    "rollout_failed": "bold red",
    "rollback_failed": "bold red",
    "build_failed": "bold red",
    "store_restarted": "red",
    "store_failed": "bold red",
    "region_unhealthy": "bold red",
    "region_failed": "bold red",
    "region_healthy": "bold green",
    "replication_stalled": "red",
    "balancer_restarted": "red",
    "balancer_failed": "bold red",
    "journal_set_aside": "red",
    "firewall": "yellow",
    "refused": "red",
    "not_let_through": "red",
    "rollout_completed": "bold green",
}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command, which exits quietly; Rich would make it fail."""
        raise BrokenPipeError


def console(stream: TextIO, *, fitted: bool = False) -> Console:
    """A console that neither wraps nor cuts lines, for `grep`. `fitted`: cut to the terminal, for redrawing."""
    width = None if fitted and stream.isatty() else WIDE
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return _Console(file=stream, soft_wrap=True, highlight=False, width=width, color_system=colours)


def say(text: str, style: str | None = None) -> None:
    """Print one line on stderr."""
    console(sys.stderr).print(Text(text, style=style or ""))


def emit(value: object) -> None:
    """One JSON value on a line of stdout."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout, upper-case headers, no lines. A narrow terminal wraps it; nothing of it is left out."""
    for line in table_lines(headers, rows):
        line.rstrip()
        console(sys.stdout).print(line)


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> list[Text]:
    """The same table, to be printed later: lines of one width, blanks at their ends."""
    lines = [[Text(header.upper(), style="bold") for header in headers]]
    lines += [[cell if isinstance(cell, Text) else Text(shown(cell)) for cell in row] for row in rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    made = []
    for line in lines:
        for cell, width in zip(line, widths, strict=True):
            cell.pad_right(width - cell.cell_len)
        made.append(Text("  ").join(line))
    return made


def shown(value: object) -> str:
    """A value for a person; nothing known is a dash."""
    if value is None or value == "":
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def decision(event: EventJson) -> Text:
    """One event as one line: time, region if there are some, service, kind, sentence."""
    line = Text(time.strftime("%H:%M:%S", time.localtime(event["at"])), style="dim")
    if "region" in event:
        line.append(f"  {event['region']:<14}", style="bold cyan")
    line.append(f"  {event['service'] or 'all':<12} ", style="bold")
    line.append(f"{event['kind'].replace('_', ' '):<17} ", style=KIND_STYLES.get(event["kind"], ""))
    change = "" if event["from"] is None or event["to"] is None else f"{event['from']} -> {event['to']}: "
    return line.append(change + event["reason"])


def colour_of(name: str) -> str:
    """The colour of an instance's lines: always the same, and another one for its neighbours."""
    service, _, number = name.rpartition("-")
    place = int(number) if number.isdecimal() else 0
    return COLOURS[(place + 3 * crc32(service.encode())) % len(COLOURS)]


def log_line(name: str, line: str, at: float | None = None) -> Text:
    """A line of an instance's output, with its name in front, and its time if asked for."""
    when = "" if at is None else time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at % 1 * 1000):03d}  "
    return Text.assemble((when, "dim"), (f"{name:<8} | ", colour_of(name)), (line, "default"))
