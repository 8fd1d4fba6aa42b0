from collections.abc import Iterator
from pathlib import Path

import pytest
from visitor_board.sqlite_store import SqliteStore
from visitor_board.store import Store
from visitor_board.visits import Visits


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(str(tmp_path / "board.db"))
    yield store
    store.close()


def test_visits_reach_the_store_in_one_step(store: SqliteStore) -> None:
    visits = Visits(store)
    assert [visits.count() for _ in range(3)] == [1, 2, 3]
    assert store.visits() == 0
    visits.flush()
    assert (store.visits(), visits.total()) == (3, 3)
    visits.flush()
    assert store.visits() == 3


def test_each_instance_learns_what_the_others_counted(store: SqliteStore) -> None:
    one, two = Visits(store), Visits(store)
    for visits in (one, two, two):
        visits.count()
    one.flush()
    two.flush()
    assert two.count() == 4
    one.flush()
    assert one.total() == 3


def test_visits_wait_for_a_store_that_is_away(broken: Store, caplog: pytest.LogCaptureFixture) -> None:
    visits = Visits(broken)
    visits.count()
    visits.flush()
    assert visits.total() == 1
    assert "visits not counted yet: 1 (away)" in caplog.text
