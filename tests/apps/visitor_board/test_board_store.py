"""One contract, two engines."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from visitor_board.engines import open_store
from visitor_board.messages import Message, new_posted
from visitor_board.store import Store, StoreFailed

from app_servers import APPS, AWS_LIKE
from waiting import until


@pytest.fixture(params=["sqlite", pytest.param("dynamodb", marks=pytest.mark.live)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite://{tmp_path}/board.db" if request.param == "sqlite" else request.getfixturevalue("table")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    # The SDK finds its credentials in the environment, as it does on AWS it finds them in the instance's role.
    os.environ.update(AWS_LIKE)
    store = open_store(url)
    yield store
    store.close()
    for name in AWS_LIKE:
        os.environ.pop(name, None)


def message(number: int) -> Message:
    return Message(posted=new_posted(), name=f"n{number}", message=f"words 🙂 {number}\nline")


def test_an_empty_board(store: Store) -> None:
    assert store.page(limit=20, before=None) == ()
    assert store.visits() == 0


def test_pages_are_newest_first_without_gap_or_repetition(store: Store) -> None:
    sent = [message(number) for number in range(25)]
    for each in sent:
        store.add(each)
    newest = sorted(sent, key=lambda each: each.posted, reverse=True)
    pages, before = [], None
    while page := store.page(limit=10, before=before):
        pages.append(page)
        before = page[-1].posted
    assert [len(page) for page in pages] == [10, 10, 5]
    assert [each for page in pages for each in page] == newest


def test_a_page_longer_than_one_answer_of_dynamodb(store: Store) -> None:
    sent = [Message(posted=new_posted(), name="n", message=f"{number}" + "🙂" * 9_000) for number in range(35)]
    for each in sent:
        store.add(each)
    assert {each.posted for each in store.page(limit=100, before=None)} == {each.posted for each in sent}


def test_visits_add_up_from_many_threads(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        totals = list(pool.map(store.count_visits, [3] * 40))
    assert max(totals) == store.visits() == 120
    assert len(set(totals)) == 40


def test_two_stores_on_one_address_share_all(store: Store, url: str) -> None:
    other = open_store(url)
    sent = message(1)
    store.add(sent)
    assert other.page(limit=5, before=None) == (sent,)
    assert other.count_visits(1) == 1
    assert store.visits() == 1
    other.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "board.db",
        "sqlite://",
        "sqlite:///",
        "dynamodb://table",
        "dynamodb://?region=eu-north-1",
        "redis://localhost",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no store"):
        open_store(url)


def test_a_path_with_signs_and_unknown_options(tmp_path: Path) -> None:
    folder = tmp_path / "a b#c"
    folder.mkdir()
    store = open_store(f"sqlite://{tmp_path}/a%20b%23c/board.db?mode=rwc")
    assert store.visits() == 0
    store.close()
    assert (folder / "board.db").exists()


def test_a_file_that_cannot_be_made_is_a_failure_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="unable to open"):
        open_store(f"sqlite://{tmp_path}/missing/board.db")


def test_a_broken_file_is_a_failure_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "board.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreFailed, match="not a database"):
        open_store(f"sqlite://{tmp_path}/board.db")


_WRITER = """
import sys
from visitor_board.messages import Message, new_posted
from visitor_board.engines import open_store

store = open_store(sys.argv[1])
for number in range(int(sys.argv[2])):
    sent = Message(posted=new_posted(), name="w", message=str(number))
    store.add(sent)
    store.count_visits(1)
    print(sent.posted, flush=True)
"""


def writers(url: str, count: int, each: int, folder: Path) -> list[subprocess.Popen[bytes]]:
    processes = []
    for number in range(count):
        with (folder / f"acknowledged-{number}").open("wb") as out:
            command = [sys.executable, "-c", _WRITER, url, str(each)]
            processes.append(subprocess.Popen(command, cwd=APPS / "visitor-board", stdout=out))
    return processes


def acknowledged(folder: Path) -> set[str]:
    lines = "".join(path.read_text() for path in folder.glob("acknowledged-*")).splitlines(keepends=True)
    return {line.strip() for line in lines if line.endswith("\n")}


def kept(file: Path) -> set[str]:
    db = sqlite3.connect(file)
    rows = db.execute("SELECT posted FROM messages").fetchall()
    db.close()
    return {posted for (posted,) in rows}


@pytest.mark.live
def test_ten_processes_make_and_write_one_file_and_lose_nothing(tmp_path: Path) -> None:
    processes = writers(f"sqlite://{tmp_path}/board.db", 10, 40, tmp_path)
    assert [process.wait(120) for process in processes] == [0] * 10
    assert len(acknowledged(tmp_path)) == 400
    assert kept(tmp_path / "board.db") == acknowledged(tmp_path)
    store = open_store(f"sqlite://{tmp_path}/board.db")
    assert store.visits() == 400
    store.close()


@pytest.mark.live
def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    processes = writers(f"sqlite://{tmp_path}/board.db", 6, 100_000, tmp_path)
    try:
        for process in processes:
            before = len(acknowledged(tmp_path))
            until(lambda before=before: len(acknowledged(tmp_path)) >= before + 50, what="fifty more are acknowledged")
            process.send_signal(signal.SIGKILL)
            process.wait(60)
    finally:
        for process in processes:
            process.kill()
            process.wait(60)
    assert len(acknowledged(tmp_path)) >= 300
    assert acknowledged(tmp_path) <= kept(tmp_path / "board.db")
