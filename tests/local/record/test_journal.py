"""The journal gives back what was written, also after a crash in the middle, and refuses what it cannot read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from flyball.core.control.observation import Deploy, InstanceSeen, Observation, ReleaseSpec
from flyball.core.control.reasons import Reason, ReasonKind
from flyball.core.control.step import Step, begin, step
from flyball.core.errors import Failed
from flyball.core.model import Application, Service
from flyball.core.view import as_json
from flyball.core.view.rows import Moment
from flyball.local.record.journal import Journal, Spell

APP = Application(name="board", services=(Service(name="web", run="true"),))
DEPLOY = Observation(intents=(Deploy(service="web", spec=ReleaseSpec(content="abc", run="true")),))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


def reopened(journal: Journal) -> Journal:
    return Journal(journal.path)


def recorded(journal: Journal) -> Step:
    before = begin(APP, now=100.0)
    done = step(APP, before, DEPLOY, now=100.0)
    journal.record(APP, before, DEPLOY, done, now=100.0)
    return done


def test_the_last_state_comes_back_exactly(journal: Journal) -> None:
    done = recorded(journal)
    later = reopened(journal)

    assert later.restore() == done.state
    later.close()


def test_the_application_of_the_last_step_is_known(journal: Journal) -> None:
    assert journal.application() is None
    recorded(journal)
    assert journal.application() == APP
    journal._db.execute("UPDATE applications SET application = '{}'")
    with pytest.raises(Failed, match="an application that this version cannot read"):
        journal.application()


def test_an_empty_journal_has_no_state(journal: Journal) -> None:
    assert journal.restore() is None


def test_reasons_become_numbered_events(journal: Journal) -> None:
    recorded(journal)
    events = journal.events()

    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert as_json.event(events[0])["kind"] == "release_created"
    assert as_json.event(events[0])["at"] == 100.0
    assert journal.events(after=events[-1].id) == []
    assert journal.events(since=100.5) == []
    assert journal.events(service="other") == []
    assert journal.events(limit=1) == events[-1:]


def test_events_of_no_service_belong_to_every_service(journal: Journal) -> None:
    state = begin(APP, now=0.0)
    why = Reason(kind=ReasonKind.REFUSED, service="", text="there is no service x")
    journal.record(APP, state, Observation(), Step(state=state, actions=(), reasons=(why,)), now=1.0)

    assert [event.reason for event in journal.events(service="web")] == [why]


def test_steps_come_back_with_the_state_before_the_first(journal: Journal) -> None:
    done = recorded(journal)
    (found,) = journal.steps()

    assert found.app == APP
    assert found.seen == DEPLOY
    assert found.state == begin(APP, now=100.0)
    assert found.actions == done.actions


def test_a_control_plane_that_comes_back_begins_with_a_snapshot(journal: Journal) -> None:
    done = recorded(journal)
    later = reopened(journal)
    seen = Observation(instances=(InstanceSeen(id="web-1"),))
    after = step(APP, done.state, seen, now=101.0)
    later.record(APP, done.state, seen, after, now=101.0)

    assert [one.state for one in later.steps()] == [begin(APP, now=100.0), done.state]
    later.close()


def test_facts_are_remembered(journal: Journal) -> None:
    assert journal.fact("port") is None
    journal.remember("port", "8080")
    journal.remember("port", "8081")

    assert journal.fact("port") == "8081"


def test_history_by_the_second_and_by_the_minute(journal: Journal) -> None:
    journal.record_history([Moment(10.0, "web", {"rps": 1.0}), Moment(10.0, "api", {"rps": 2.0})])
    journal.record_history([Moment(60.0, "web", {"rps": 1.5})], resolution=60)

    assert journal.history(since=0, until=100) == [
        Moment(10.0, "api", {"rps": 2.0}),
        Moment(10.0, "web", {"rps": 1.0}),
    ]
    assert journal.history(since=0, until=100, resolution=60) == [Moment(60.0, "web", {"rps": 1.5})]
    assert journal.history(since=0, until=100, service="api") == [Moment(10.0, "api", {"rps": 2.0})]


def test_minutes_are_summed_for_each_service(journal: Journal) -> None:
    minutes = [
        Moment(60.0, "web", {"rps": 9.0, "in_service": 9}),
        Moment(120.0, "web", {"rps": 1.5, "in_service": 2}),
        Moment(180.0, "web", {"rps": None, "in_service": 3}),
        Moment(180.0, "api", {}),
    ]
    journal.record_history(minutes, resolution=60)
    journal.record_history([Moment(150.0, "web", {"rps": 100.0, "in_service": 100})])

    assert journal.spells(100.0) == {"api": Spell(1, 0.0, 0.0), "web": Spell(2, 5.0, 90.0)}
    assert journal.spells(1_000.0) == {}


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_text("this is not a database, but it is 100 bytes long, which is what SQLite reads before it complains")

    with pytest.raises(Failed, match="cannot be written"):
        Journal(path)
    assert path.read_text().startswith("this is not")


def test_a_state_of_another_shape_is_refused(journal: Journal) -> None:
    recorded(journal)
    with sqlite3.connect(journal.path) as other:
        other.execute("UPDATE state SET state = x'00'")
    other.close()

    with pytest.raises(Failed, match="cannot read"):
        journal.restore()


def test_a_damaged_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    journal._db.execute("DROP TABLE facts")
    journal._db.execute("DROP TABLE state")
    for table in ("steps", "events", "history"):
        journal._db.execute(f"DROP TABLE {table}")

    for question in (
        lambda: journal.fact("port"),
        lambda: journal.remember("port", "1"),
        journal.restore,
        journal.events,
        lambda: list(journal.steps()),
        lambda: journal.history(since=0, until=1),
        lambda: recorded(journal),
    ):
        with pytest.raises(Failed, match="no such table"):
            question()
    journal.close()


def test_a_step_of_another_shape_is_told_in_a_sentence(journal: Journal) -> None:
    recorded(journal)
    journal._db.execute("UPDATE steps SET observation = x'00'")

    with pytest.raises(Failed, match="a step that this version cannot read"):
        list(journal.steps())


def test_what_could_not_be_written_is_written_afterwards_in_its_order(journal: Journal) -> None:
    done = recorded(journal)
    before = journal.events()

    def happens(text: str, now: float) -> None:
        reason = Reason(kind=ReasonKind.HELD, service="web", text=text)
        journal.record(APP, done.state, Observation(), Step(state=done.state, actions=(), reasons=(reason,)), now=now)

    journal._db.execute("PRAGMA query_only = ON")
    for number in (1, 2):
        with pytest.raises(Failed):
            happens(f"outage {number}", 200.0 + number)
    journal._db.execute("PRAGMA query_only = OFF")
    happens("afterwards", 300.0)

    after = journal.events()[len(before) :]
    assert [(one.at, one.reason.text) for one in after] == [
        (201.0, "outage 1"),
        (202.0, "outage 2"),
        (300.0, "afterwards"),
    ]
    assert journal.last_event == after[-1].id
    assert next(one for one in journal.steps() if one.at == 300.0).state == done.state  # replay goes on from here
    happens("once", 301.0)
    assert [one.reason.text for one in journal.events()][-2:] == ["afterwards", "once"]
