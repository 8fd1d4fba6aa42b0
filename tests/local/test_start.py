"""What a starting control plane takes over."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from flyball.local.process.ports import free_port
from flyball.local.record.journal import Journal
from flyball.local.runtime import start


def test_the_inside_port_stays_unless_visitors_now_use_it(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        first = start.inside_port(journal, port=free_port(), taken_over=False)
        assert start.inside_port(journal, port=first, taken_over=True) == first
        other = start.inside_port(journal, port=first, taken_over=False)
        assert other != first
        assert start.inside_port(journal, port=first, taken_over=True) == other
