"""`flyball watch`: the live table: which instance serves, capacity, and why."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from . import ps, talk
from .client import Control
from .files import find_running

EVERY_S = 1.0
DECISIONS = 12


def run(path: Path | None, *, times: int | None = None) -> int:
    """Show the application until Ctrl-C, or `times` times. Ends when the application does (exit 3).

    A terminal shows the newest screen in place; what is no terminal gets them all.
    """
    control = Control(find_running(path))
    console = talk.console(sys.stdout, fitted=True)
    with Live(console=console, auto_refresh=False) if console.is_terminal else contextlib.nullcontext() as live:
        shown = 0
        while times is None or shown < times:
            seen = screen(control.get("application"), control.get("events", limit=DECISIONS))
            live.update(seen, refresh=True) if live is not None else console.print(seen)
            shown += 1
            if times is None or shown < times:
                time.sleep(EVERY_S)
    return 0


def screen(described: dict[str, Any], events: list[dict[str, Any]]) -> Group:
    """Services, instances with their share of the traffic as bars, and the last decisions."""
    now = time.time()
    instances = [one for service in described["services"] for one in service["instances"]]
    busiest = max((one["requests_per_second"] for one in instances), default=0.0)
    rows = [[*ps.instance_row(one, now=now), bar(one["requests_per_second"], busiest)] for one in instances]
    return Group(
        Text(f"{described['application']}  {described['url']}  dashboard {described['dashboard']}\n", style="bold"),
        talk.made_table(ps.SERVICE_HEADERS, (ps.service_row(one) for one in described["services"])),
        Text(),
        talk.made_table((*ps.INSTANCE_HEADERS, "serves"), rows),
        Text(),
        *(talk.decision(event) for event in events),
    )


def bar(value: float, largest: float, *, width: int = 20) -> Text:
    """A bar of up to `width` blocks; more than nothing is at least one."""
    blocks = 0 if value <= 0 or largest <= 0 else max(1, round(width * value / largest))
    return Text("█" * blocks, style="green")
