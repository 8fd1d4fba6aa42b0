"""The table of an instance's life: what it allows, and the picture that the docs show of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import instance, launching
from flyball.core.control.state import Lifecycle
from flyball.core.control.transitions import TRANSITIONS, diagram, moved

PAGE = Path(__file__).parents[3] / "docs/explanation/instances.md"


def test_a_state_stamps_its_beginning():
    draining = moved(instance(), Lifecycle.DRAINING, now=7.0, cause="why")
    assert (draining.lifecycle, draining.drain_started_at, draining.cause) == (Lifecycle.DRAINING, 7.0, "why")
    assert moved(draining, Lifecycle.TERMINATING, now=8.0).terminate_started_at == 8.0
    assert moved(launching(), Lifecycle.IN_SERVICE, now=9.0).in_service_at == 9.0


def test_what_the_table_does_not_have_is_an_error_of_the_program():
    with pytest.raises(AssertionError):
        moved(instance(), Lifecycle.LAUNCHING, now=1.0)


def test_no_instance_comes_back():
    order = list(Lifecycle)
    assert all(order.index(before) < order.index(after) for before, after in TRANSITIONS)


def test_the_docs_show_the_table():
    assert f"```mermaid\n{diagram()}\n```" in PAGE.read_text()
