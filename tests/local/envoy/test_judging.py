"""The judge as a process, asked by a real Envoy: it outlives who started it, is started again, and holds no upload."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from yarl import URL

from flyball.core.model import CoreRules, Firewall, FirewallAction
from flyball.local.envoy.judge import judging
from flyball.local.envoy.judge.directives import DEBIAN
from flyball.local.envoy.judge.judging import Judging
from flyball.local.paths import StateDirectory
from local.envoy.envoy_rig import application
from waiting import soon

pytest.importorskip("libmodsecurity")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's modsecurity-crs is not installed"),
]
ATTACK = "/?id=1%27%20OR%20%271%27=%271"
CLOSED = Firewall(core_rules=CoreRules(), uploads=("/upload",), max_url_bytes=200)
MEGABYTE = 1 << 20


@pytest.fixture
async def judged(tmp_path):
    """Makes what keeps a judge, again and again over the same state; all judges are gone afterwards."""
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    made: list[Judging] = []
    told: list[str] = []

    async def make(firewall: Firewall) -> Judging:
        one = Judging(paths, lambda mishap: told.append(mishap.text))
        made.append(one)
        await one.ensure(firewall, Path())
        return one

    make.told = told
    yield make
    for one in made:
        await one.stop()
    paths.remove_sockets()


async def test_attacks_are_refused_and_the_rest_streams(envoy, instances, client, judged):
    keeper = await judged(CLOSED)
    envoy.core_rules = keeper.socket
    await envoy.start(application(firewall=CLOSED), web=[await instances("web-1")])
    assert [(await client.get(path))[0] for path in ("/", ATTACK, "/" + "a" * 300)] == [200, 403, 414]
    assert (await client.get("/x", method="POST", data={"id": "1' OR '1'='1"}))[0] == 403
    async with client.session.ws_connect(f"{envoy.url}/ws") as channel:
        await channel.send_str("hello")
        assert (await channel.receive_str()) == "web-1 hello"

    await soon(lambda: keeper.matched() == {"owasp-crs-942100": 2})
    assert await envoy.admin.matched() == {"url": 1}


async def test_nothing_climbs_around_the_judge_through_a_skipped_path(envoy, instances, client, judged):
    open_below = Firewall(core_rules=CoreRules(skip_paths=("/raw",)), uploads=("/upload",))
    keeper = await judged(open_below)
    envoy.core_rules = keeper.socket
    web = await instances("web-1")
    await envoy.start(application(firewall=open_below), web=[web])
    assert [(await client.get(path))[0] for path in ("/raw" + ATTACK, "/rawer" + ATTACK)] == [200, 403]
    for climbing in ("..", "%2e%2e", ".%2E", "./..", "/..", "x/../..", "..%2f", "..\\", "..;", "%2e%2e%5c", "..;x"):
        # Where paths are not judged the routes refuse it; where bodies are not, a rule may be first to.
        for below, refusals in (("/raw", {400}), ("/upload", {400, 403})):
            url = URL(f"{envoy.url}{below}/{climbing}/login", encoded=True)
            async with client.session.post(url, data={"id": "1' OR '1'='1"}) as answer:
                assert answer.status in refusals, url
    assert web.requests == 1


async def test_a_large_body_is_not_held(envoy, instances, client, judged):
    keeper = await judged(CLOSED)
    envoy.core_rules = keeper.socket
    await envoy.start(application(firewall=CLOSED), web=[await instances("web-1")])
    processes = [psutil.Process(envoy.pid), psutil.Process(keeper.process.pid)]
    before = [one.memory_info().rss for one in processes]

    async def pieces():
        for _ in range(96):
            yield b"\x00" * MEGABYTE

    for path in ("/upload/film", "/elsewhere"):
        headers = {"Content-Type": "application/octet-stream"}
        assert (await client.get(path, method="PUT", data=pieces(), headers=headers))[0] == 200
    grown = [one.memory_info().rss - first for one, first in zip(processes, before, strict=True)]
    assert max(grown) < 48 * MEGABYTE, grown


@pytest.mark.parametrize("meanwhile", [200, 503], ids=["open", "closed"])
async def test_without_a_judge_requests_are_let_through_or_not(envoy, instances, client, judged, meanwhile):
    firewall = Firewall(core_rules=CoreRules(fail_open=meanwhile == 200))
    keeper = await judged(firewall)
    envoy.core_rules = keeper.socket
    await envoy.start(application(firewall=firewall), web=[await instances("web-1")])
    first = keeper.process
    await keeper.close()  # nobody starts it again for now
    os.kill(first.pid, signal.SIGKILL)

    async def unjudged() -> bool:
        return (await client.get(ATTACK))[0] == meanwhile and (await client.get("/"))[0] == meanwhile

    await soon(unjudged)
    assert "owasp-crs unjudged" in await envoy.admin.matched()
    await judged(firewall)

    async def again() -> bool:
        return (await client.get(ATTACK))[0] == 403 and (await client.get("/"))[0] == 200

    await soon(again)


async def test_one_that_hangs_or_dies_is_told_and_replaced(judged):
    keeper = await judged(CLOSED)
    for number, how in ((signal.SIGSTOP, "was stopped"), (signal.SIGKILL, "was killed")):
        before = keeper.process
        os.kill(before.pid, number)
        await soon(lambda before=before: keeper.process != before)
        await soon(lambda how=how: any(how in text for text in judged.told))
    assert all(text.endswith("it was started again") for text in judged.told)


async def test_the_next_control_plane_takes_it_over_and_other_rules_get_another(judged):
    first = await judged(CLOSED)
    await first.close()
    second = await judged(CLOSED)
    assert second.process == first.process
    counting = Firewall(core_rules=CoreRules(action=FirewallAction.COUNT))
    await second.ensure(counting, Path())
    assert second.process != first.process
    assert second.socket != first.socket
    assert psutil.pid_exists(first.process.pid)  # the balancer may still ask it


async def test_rules_that_modsecurity_does_not_take_are_told(judged, tmp_path):
    (tmp_path / "REQUEST-999.conf").write_text("SecNonsense On\n")
    with pytest.raises(judging.Failed, match="the judge did not start: ModSecurity does not take the rules"):
        await judged(Firewall(core_rules=CoreRules(path=str(tmp_path))))
