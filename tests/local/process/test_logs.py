"""Bounded logs: nothing is lost, readers go on where they were."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flyball.local.process import logs
from waiting import soon, until

LINES = [f"line {number:06d}\n" for number in range(100_000)]


def used(path: Path) -> int:
    return path.stat().st_blocks * 512


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def gather(
    path: Path, offset: int, count: int, into: list[tuple[int, str]] | None = None
) -> list[tuple[int, str]]:
    found = [] if into is None else into
    async with asyncio.timeout(60):
        async for item in logs.follow(path, offset):
            found.append(item)
            if len(found) == count:
                break
    return found


def test_tail_gives_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert logs.tail(path, 3) == []
    path.write_text("")
    assert logs.tail(path, 3) == []
    path.write_text("one\ntwo\r\nthree")
    assert logs.tail(path, 2) == ["two", "three"]
    assert logs.tail(path, 9) == ["one", "two", "three"]
    assert logs.tail(path, 0) == []
    path.write_text("".join(LINES))
    assert logs.tail(path, 20_000) == [line.rstrip() for line in LINES[-20_000:]]


def test_last_line_is_not_blank(tmp_path: Path) -> None:
    path = tmp_path / "log"
    assert logs.last_line(path) == ""
    path.write_text("Traceback\n  ValueError: no  \n\n \n")
    assert logs.last_line(path) == "ValueError: no"


@pytest.mark.parametrize(
    ("farewell", "said"),
    [
        ("Error: boom\n    at Object.<anonymous> (/app/server.js:1:7)\n\nNode.js v20.1.0\n", "Error: boom"),
        ("TypeError [ERR_X]: no\n    at main\n}\n\nNode.js v20.1.0\n", "TypeError [ERR_X]: no"),
        ("Traceback\n  F\nModuleNotFoundError: No module named 'x'\nERROR:    Application startup failed. Exiting.\n",
         "ModuleNotFoundError: No module named 'x'"),
        ("app.errors.NoDisk: full\nKeyError: 1\nserved one request\nfatal: disk full\n", "fatal: disk full"),
        ("INFO:     Shutting down\n", "INFO:     Shutting down"),
    ],
)  # fmt: skip
def test_the_last_words_of_a_crash_are_the_crashs(tmp_path: Path, farewell: str, said: str) -> None:
    (tmp_path / "log").write_text(farewell)
    assert logs.last_line(tmp_path / "log") == said


def test_text_that_is_no_utf8_is_shown_as_far_as_possible(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"caf\xe9\n")
    assert logs.tail(path, 1) == ["caf\ufffd"]


def test_a_log_is_bounded_and_its_end_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(LINES))
    size = path.stat().st_size
    assert not logs.bound(path)
    if not logs.bound(path, 400_000):
        pytest.skip("this file system cannot punch holes")
    assert path.stat().st_size == size
    assert used(path) <= 400_000
    assert not logs.bound(path, 400_000)
    kept = logs.tail(path, 100_000)
    assert kept[1:] == [line.rstrip() for line in LINES[-len(kept) + 1 :]]
    assert len(kept) > 20_000
    assert not any("\0" in line for line in kept)


def test_a_missing_log_needs_no_bound(tmp_path: Path) -> None:
    assert not logs.bound(tmp_path / "log")


async def test_follow_gives_whole_lines_with_the_offset_behind_them(tmp_path: Path) -> None:
    path = tmp_path / "log"
    found: list[tuple[int, str]] = []
    following = asyncio.create_task(gather(path, 0, 3, found))
    await asyncio.sleep(0)
    write(path, "one\n\ntw")
    await soon(lambda: len(found) == 2, what="the whole lines")
    write(path, "o\n")
    assert await following == [(4, "one"), (5, ""), (9, "two")]
    assert await gather(path, 5, 1) == [(9, "two")]


async def test_follow_skips_a_hole(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(LINES))
    if not logs.bound(path, 400_000):
        pytest.skip("this file system cannot punch holes")
    found = await gather(path, 0, 1000)
    first = int(found[1][1].split()[1])
    assert [text for _, text in found[1:]] == [line.rstrip() for line in LINES[first : first + 999]]
    assert found[-1][0] == (first + 999) * len(LINES[0])


async def test_follow_reads_a_file_anew_that_became_shorter(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("new\n")
    assert await gather(path, 1000, 1) == [(4, "new")]


async def test_follow_gives_an_endless_line_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("x" * (logs.LONGEST_LINE + 10) + "\nend\n")
    found = await gather(path, 0, 3)
    assert "".join(text for _, text in found[:2]) == "x" * (logs.LONGEST_LINE + 10)
    assert found[2] == (path.stat().st_size, "end")


WRITER = """
import sys
with open(sys.argv[1], "a", buffering=1) as file:
    for number in range(200_000):
        file.write(f"line {number:06d}\\n")
"""


@pytest.mark.live
def test_punching_holes_behind_a_live_writer_loses_no_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.touch()
    writer = subprocess.Popen([sys.executable, "-I", "-S", "-c", WRITER, str(path)])
    punched = 0

    def ended() -> bool:
        nonlocal punched
        punched += logs.bound(path, 200_000)
        return writer.poll() is not None

    try:
        until(ended, every_s=0, what="the writer's end")
    finally:
        writer.kill()
        writer.wait()
    punched += logs.bound(path, 200_000)
    assert path.stat().st_size == 200_000 * 12
    kept = logs.tail(path, 200_000)
    assert kept[1:] == [f"line {number:06d}" for number in range(200_000 - len(kept) + 1, 200_000)]
    assert punched > 0
    assert used(path) <= 200_000


def test_old_logs_of_what_has_ended_go(tmp_path: Path) -> None:
    for number in range(1, 6):
        path = tmp_path / f"web-{number}.log"
        path.write_text("words\n")
        os.utime(path, (number, number))
    for name in ("access", "control", "store-cache1"):
        (tmp_path / f"{name}.log").write_text("words\n")
        os.utime(tmp_path / f"{name}.log", (0, 0))

    assert logs.collect(tmp_path, keep={"web-1"}, newest=2) == ["web-2", "web-3"]
    assert sorted(path.stem for path in tmp_path.iterdir()) == [
        "access", "control", "store-cache1", "web-1", "web-4", "web-5",
    ]  # fmt: skip
