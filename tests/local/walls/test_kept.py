"""The network of who is not root, and its keeper: what a bad client, a taken port or a stop does to the others."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from flyball.core.errors import Failed
from flyball.local.paths import StateDirectory
from flyball.local.process.walls.kept import Kept
from flyball.local.process.walls.router import DOOR, OUTWARD_PORT
from waiting import soon

pytestmark = pytest.mark.live


@pytest.fixture
def paths(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(tmp_path / ".flyball")
    found.create()
    return found


@pytest.fixture
def kept(paths: StateDirectory) -> Iterator[Kept]:
    made = Kept(paths)
    try:
        made.make()
    except (OSError, Failed) as error:
        pytest.skip(f"no user namespaces here: {error}")
    try:
        yield made
    finally:
        made.remove()
        paths.remove_sockets()


def test_a_client_that_dies_before_it_asks_takes_nothing_from_the_others(kept: Kept, paths: StateDirectory) -> None:
    for said in (b"", b"nonsense"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(paths.sockets / "keeper.sock"))
            client.send(said)
        kept.open(socket.AF_INET, socket.SOCK_STREAM).close()


def test_a_port_that_was_taken_is_carried_once_it_is_free(kept: Kept) -> None:
    wanted = [(socket.SOCK_STREAM, OUTWARD_PORT, None)]
    with kept.open(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind((DOOR, OUTWARD_PORT))
        with pytest.raises(OSError, match="in use"):
            kept.carry(wanted)
    kept.carry(wanted)
    with kept.open(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect((DOOR, OUTWARD_PORT))


async def test_a_keeper_that_is_stopped_is_ended_so_that_another_can_be_made(kept: Kept, paths: StateDirectory) -> None:
    await kept.end_if_hung()
    before = kept.number
    assert before != 0
    os.kill(json.loads((paths.root / "keeper.json").read_text())["pid"], signal.SIGSTOP)

    async def gone() -> bool:
        await kept.end_if_hung()
        return kept.number == 0

    await soon(gone)
    kept.make()
    assert kept.number not in {0, before}
