"""`flyball watch`: a live table of instances, capacity, and the latest decisions."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from . import ps, talk
from .client import Control
from .events import newest
from .files import find_running

if TYPE_CHECKING:
    from flyball.core.view.shapes import ApplicationJson, EventJson, ServedJson

EVERY_S = 1.0
DECISIONS = 12
FEWEST = 4  # lines of instances and of decisions, however small the terminal
SPARE = ("pid", "port", "zone", "memory", "up", "p50", "min", "release")
"""Columns that a narrow terminal leaves out, in this order; `ps` shows them."""


def run(path: Path | None, *, times: int | None = None) -> int:
    """Show the application until Ctrl-C, or `times` times. Ends with the application (exit 3).

    A terminal is redrawn in place; any other output gets every screen.
    """
    file = find_running(path)
    control = Control(file)
    console = talk.console(sys.stdout, fitted=True)
    with Live(console=console, auto_refresh=False) if console.is_terminal else contextlib.nullcontext() as live:
        shown = 0
        while times is None or shown < times:
            told = control.application(), newest(file, limit=DECISIONS)
            if live is not None:
                live.update(screen(*told, width=console.width, height=console.height), refresh=True)
            else:
                console.print(screen(*told))
            shown += 1
            if times is None or shown < times:
                time.sleep(EVERY_S)
    return 0


def screen(
    described: ApplicationJson, events: list[EventJson], *, width: int = talk.WIDE, height: int | None = None
) -> Group:
    """Services, instances with their share of the traffic as bars, and the latest decisions.

    It is cut to a terminal of `width` columns and `height` lines; the newest decision always stays.
    """
    now = time.time()
    instances = [one for service in described["services"] for one in service["instances"]]
    shares = [one["requests_per_second"] or 0.0 for one in instances]
    bars = [bar(share, max(shares)) for share in shares]
    rows = [[*ps.instance_row(one, now=now), share] for one, share in zip(instances, bars, strict=True)]
    services = _fitting(
        ps.headers(described, ps.SERVICE_HEADERS), [ps.service_row(one) for one in described["services"]], width
    )
    table = _fitting((*ps.headers(described, ps.INSTANCE_HEADERS), "serves"), rows, width)
    title = [
        Text(f"{described['application']}  {described['url']}", "bold"),
        *(Text(_served(one)) for one in described.get("served", ())),
        Text(f"dashboard {described['dashboard']}"),
    ]
    told = [line for event in events for line in talk.decision(event).wrap(talk.console(sys.stdout), width)]
    if height is not None:
        room = height - len(title) - len(services) - 4  # three blank lines, one for the cursor
        table = _first(table, room - min(len(told), FEWEST))
        told = told[-max(room - len(table), FEWEST) :]
    lines = [*title, Text(), *services, Text(), *table, Text(), *told]
    for line in lines:
        line.rstrip()
    return Group(*lines)


def _served(one: ServedJson) -> str:
    return f"visitors near {one['nearest']} served by {one['region']}: {one['requests']} ({one['errors']} errors)"


def _fitting(headers: Sequence[str], rows: list[list[object]], width: int) -> list[Text]:
    """A table without the columns that do not fit."""
    names = list(headers)
    lines = talk.table_lines(names, rows)
    for name in SPARE:
        if name in names and lines[0].cell_len > width:
            place = names.index(name)
            names, rows = names[:place] + names[place + 1 :], [row[:place] + row[place + 1 :] for row in rows]
            lines = talk.table_lines(names, rows)
    return lines


def _first(lines: list[Text], room: int) -> list[Text]:
    """As many lines of a table as fit, and how many more there are."""
    if len(lines) <= max(room, FEWEST):
        return lines
    shown = max(room, FEWEST) - 1
    return [*lines[:shown], Text(f"and {len(lines) - shown} more", "dim")]


def bar(value: float, largest: float, *, width: int = 20) -> Text:
    """A bar of up to `width` blocks, padded with blanks; any value above zero is at least one block."""
    blocks = 0 if value <= 0 or largest <= 0 else max(1, round(width * value / largest))
    return Text(f"{'█' * blocks:<{width}}", style="green")
