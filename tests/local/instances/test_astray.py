"""An instance that listens on another port, or lacks the health path, is told from one that is still starting."""

from __future__ import annotations

import socket

import psutil
import pytest

from flyball.local.instances.astray import LOOK_EVERY_S, Doubt, listening


@pytest.fixture
def elsewhere():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_ports_of_a_process(elsewhere: int):
    assert elsewhere in listening(psutil.Process().pid)
    assert listening(2**22 + 1) == set()


async def twice(answer: int | str) -> tuple[str, str]:
    doubt = Doubt()
    pid = psutil.Process().pid
    first = await doubt.sure(pid, 1, "/healthz", answer)
    doubt.looked_at += 60.0  # however slow this machine is, the next look is at once
    at_once = await doubt.sure(pid, 1, "/healthz", answer)
    doubt.looked_at -= 60.0 + LOOK_EVERY_S
    assert (first, at_once) == ("", "")
    return doubt.wrong, await doubt.sure(pid, 1, "/healthz", answer)


async def test_a_wrong_port_is_sure_at_the_second_look(elsewhere: int):
    first, second = await twice("nothing listens on port 1")
    assert first == second
    assert second.endswith("not on $PORT (1)")


@pytest.mark.parametrize(("answer", "said"), [(404, "/healthz answered 404: set `health`"), (503, ""), (301, "")])
async def test_a_missing_path_is_told_from_a_server_that_is_busy(answer: int, said: str):
    found = (await twice(answer))[1]
    assert found.startswith(said)
    assert bool(found) == bool(said)
