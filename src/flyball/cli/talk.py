"""How the command line prints: data on stdout, messages on stderr, colour only on a terminal, tables without boxes.

What applications, commits and files say reaches the terminal without control sequences; JSON holds all of it, escaped.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TextIO
from zlib import crc32

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

if TYPE_CHECKING:
    from flyball.core.view.shapes import EventJson

WIDE = 1_000
# Whole sequences (colours, titles, links, the cursor), then what is left of one, other controls, and what turns the
# direction of writing. Ends of lines and tabs stay.
CONTROLS = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
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
    "balancer_took_over": "red",
    "journal_set_aside": "red",
    "firewall": "yellow",
    "refused": "red",
    "not_let_through": "red",
    "disk": "yellow",
    "certificate_refused": "red",
    "rollout_completed": "bold green",
}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command, which exits quietly; Rich would make it fail."""
        raise BrokenPipeError

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed; only Rich's own control sequences are among it. (`Text` already drops a few controls.)"""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)


def printable(text: str) -> str:
    """A text that a terminal only shows: without control sequences, a sign for every other control character."""
    return text if text.isprintable() else CONTROLS.sub(_replaced, text)


def _replaced(found: re.Match[str]) -> str:
    return "" if len(found[0]) > 1 or found[0] == "\r" else "\N{REPLACEMENT CHARACTER}"


def console(stream: TextIO, *, fitted: bool = False) -> Console:
    """A console that neither wraps nor cuts lines, for `grep`. `fitted`: cut to the terminal, for redrawing."""
    width = None if fitted and stream.isatty() else WIDE
    colours: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return _Console(file=stream, soft_wrap=True, highlight=False, width=width, color_system=colours)


def say(text: str, style: str | None = None) -> None:
    """Print one line on stderr."""
    console(sys.stderr).print(Text(printable(text), style=style or ""))


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
    lines += [[cell if isinstance(cell, Text) else Text(printable(shown(cell))) for cell in row] for row in rows]
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
    return line.append(printable(change + event["reason"]))


def colour_of(name: str) -> str:
    """The colour of an instance's lines: always the same, and another one for its neighbours."""
    service, _, number = name.rpartition("-")
    place = int(number) if number.isdecimal() else 0
    return COLOURS[(place + 3 * crc32(service.encode())) % len(COLOURS)]


def log_line(name: str, line: str, at: float | None = None) -> Text:
    """A line of an instance's output, with its name in front, and its time if asked for."""
    when = "" if at is None else time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at % 1 * 1000):03d}  "
    return Text.assemble((when, "dim"), (f"{name:<8} | ", colour_of(name)), (printable(line), "default"))
