"""The page in a real browser, over states that the test arranges."""

from __future__ import annotations

import asyncio
import re

import pytest

from app_servers import redis_server
from builders import application, service, tracking
from dashboard.browsing import browsing, needs_chromium, opened
from dashboard.pretend import EVIL, STATES, OneRedis, PretendRuntime, calm, made, served, serving, start
from flyball.core.control.observation import Replace, Scale
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.state import ReleaseStatus
from flyball.core.model import Store, StoreKind
from flyball.core.view.rows import Moment
from flyball.local.pipeline.records import Stage, Status
from flyball.local.stores.client import client

axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="needs axe-playwright-python")
pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.asyncio(loop_scope="module")]

TILES = [
    "Active Instances",
    "Request Count",
    "CPU Utilization (%)",
    "Request Latency (ms)",
    "Health Check Status",
    "Scaling Events (Last 24h)",
    "Cost on AWS",
]
WRITTEN = """
    globalThis.written = new Set();
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
      written.add(text);
      return write.call(this, text, ...place);
    };
"""


async def text_of(page, selector: str) -> str:
    return " ".join((await page.locator(selector).inner_text()).split())


async def test_the_tiles_come_first_in_their_order_and_words(browser, runtime):
    calm(runtime)
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)

        assert await page.locator("#tiles h2").all_inner_texts() == TILES
        assert (await text_of(page, "#tile-active")).startswith("Active Instances 3 wanted 3, min 1, max 10")
        assert "3,420 req/min" in await text_of(page, "#tile-count")
        assert "38%" in await text_of(page, "#tile-cpu")
        assert "p50: 3.1ms p95: 9ms p99: 14.2ms" in await text_of(page, "#tile-latency")
        assert "Healthy: 3/3 ✓" in await text_of(page, "#tile-health")
        assert "Scale Out: 2 events Scale In: 1 event" in await text_of(page, "#tile-scaling")
        cost = await text_of(page, "#tile-cost")
        assert re.search(r"Cost on AWS \$[\d.]+ an hour \$[\d.]+ a month at this rate, in us-east-1", cost)
        assert re.search(r"Today: \$[\d.]+ This month: \$[\d.]+", cost)
        assert page.url.endswith("/"), "the token leaves the address bar"
        assert page.faults == []


@pytest.mark.parametrize("state", [*STATES, "gone"])
async def test_every_state_is_accessible_fits_and_makes_no_error(browser, runtime, state):
    STATES.get(state, calm)(runtime)
    (runtime.paths.logs / "web-1.log").write_text(f"listening\n{EVIL}\n")
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        await page.locator("#node-listener").wait_for()
        if state == "gone":
            await panel.end()
            await page.locator("#notice").get_by_text("has not answered since").wait_for()
            page.faults.clear()  # a browser reports every connection that is refused
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            found = await axe.Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
        for width in (360, 1600):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
        assert await page.title() != "owned"
        assert [fault for fault in page.faults if "ERR_CONNECTION" not in fault] == []


async def test_a_decision_and_its_sentence_appear_at_once(browser, runtime):
    calm(runtime)
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        await page.locator("#why-web .decisions li").first.wait_for()
        sentence = "cpu 91 % > 50 % for 3 of 3 points"

        runtime.say(ReasonKind.SCALE_OUT, sentence, before=3, after=6)
        runtime.change(desired=6)
        first = page.locator("#why-web .decisions li").first

        await first.filter(has_text=sentence).wait_for()
        assert "▲ scale out 3 → 6" in await first.inner_text()
        await page.locator("#events li").first.filter(has_text=sentence).wait_for()
        await page.locator("#tile-scaling").get_by_text("Scale Out: 3 events").wait_for()
        await page.locator("#tile-active").get_by_text("wanted 6").wait_for()
        runtime.say(ReasonKind.HELD, "scale-in held: rollout of release 7 is running")
        await first.get_by_text("scale-in held: rollout of release 7 is running").wait_for()


async def test_everything_is_done_by_keyboard_alone(browser, runtime):
    calm(runtime)
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        await page.locator("#instance-web-2").wait_for()
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await _tab_to(page, "#wish-web")
        await page.keyboard.type("5")
        await page.keyboard.press("Enter")
        await page.locator("#told").get_by_text("asked for Scale").wait_for()
        await _tab_to(page, "#instance-web-2 button:last-child")
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").get_by_text("Drain web-2?").wait_for()
        await page.keyboard.press("Escape")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.locator("#told").get_by_text("asked for Replace").wait_for()

        assert runtime.submitted == [Scale(service="web", desired=5), Replace(instance="web-2")]


async def _tab_to(page, selector: str) -> None:
    for _ in range(200):
        await page.keyboard.press("Tab")
        if await page.locator(selector).evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


async def test_rollback_and_deploy_ask_first(browser, runtime):
    calm(runtime)
    runtime.change(release=2, releases=(made(1), made(2), made(3, ReleaseStatus.FAILED)))
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        assert not await page.get_by_role("button", name="Roll web back to release 2").is_visible()
        assert not await page.get_by_role("button", name="Roll web back to release 3").is_visible()
        await page.get_by_role("button", name="Roll web back to release 1").click()
        await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        assert runtime.submitted == []
        await page.get_by_role("button", name="Roll web back to release 1").click()
        await page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
        await page.locator("#told").get_by_text("rollback to release 1").wait_for()
        await page.get_by_role("button", name="Deploy web").click()
        await page.get_by_role("dialog").get_by_role("button", name="Deploy").click()
        await page.locator("#told").get_by_text("Nothing has changed").wait_for()

        assert runtime.submitted == [("rollback", "web", 1), ("deploy", "web", None)]


async def test_a_push_is_told_stage_by_stage(browser, runtime):
    calm(runtime)
    records = runtime.pipeline.records
    run = records.begin("job", "abc1234def", now=runtime.clock.now())
    skipped = Stage(name="test", started_at=1.0, ended_at=1.0, status=Status.SKIPPED, log="pipeline-1-test")
    rollout = Stage(name="rollout", started_at=1.0)
    run.stages += [skipped, rollout]
    records.save(run)
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        stages = page.locator("#pipeline .stages")
        await stages.get_by_text("▸ rollout", exact=True).wait_for()
        assert "test skipped" in await stages.inner_text()
        assert await stages.get_by_role("button").count() == 0

        why = "web: 3 failed instances"
        rollout.status, rollout.ended_at, rollout.message, rollout.log = Status.FAILED, 3.0, why, "web-9"
        run.status, run.ended_at, run.message = Status.FAILED, run.started_at + 2, why
        records.save(run)

        await stages.get_by_text(f"✕ rollout in 2.0 s: {why}").wait_for()
        assert await page.locator("#pipeline").get_by_text(why).count() == 1, "it is said once"
        await stages.get_by_role("button", name="Log of rollout").click()
        await page.locator("#logs pre").get_by_text("there is no log").wait_for()


async def test_the_log_of_an_instance_that_is_gone_is_kept_or_said_to_be_gone(browser, runtime):
    calm(runtime)
    kept = {name: runtime.paths.logs / f"{name}.log" for name in ("web-1", "web-2", "web-3")}
    for name, log in kept.items():
        log.write_text(f"the words of {name}\n")
    kept["web-3"].write_text("\n\n")
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        await page.get_by_role("button", name="Log of web-1").click()
        shown, chosen = page.locator("#logs pre"), page.locator("#log-name")
        await shown.get_by_text("the words of web-1").wait_for()

        runtime.run(serving(2, first=2))
        kept["web-2"].unlink()
        runtime.say(ReasonKind.LAUNCHED, "web-4 launched", instance="web-4")
        await page.locator("#log-name option", has_text="web-1").wait_for(state="attached")
        await page.locator("#instance-web-1").wait_for(state="detached")
        await shown.get_by_text("the words of web-1").wait_for()

        kept["web-1"].unlink()
        await shown.get_by_text("there is no log 'web-1'").wait_for()
        runtime.say(ReasonKind.LAUNCHED, "web-5 launched", instance="web-5")
        await page.locator("#log-name option", has_text="web-1 (gone)").wait_for(state="attached")
        assert await chosen.input_value() == "web-1"
        await page.locator("#log-words").fill("words that it never had")
        await shown.get_by_text("there is no log 'web-1'").wait_for()

        await page.locator("#log-words").fill("")
        await chosen.select_option("web-3")
        await shown.get_by_text("Nothing was written.").wait_for()


async def test_nothing_that_an_application_says_is_read_as_html(browser, runtime):
    calm(runtime)
    (runtime.paths.logs / "web-1.log").write_text(f"listening\n{EVIL}\n")
    runtime.say(ReasonKind.FAILED, f"web-9 exited with 1: {EVIL}", instance="web-9")
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        await page.get_by_role("button", name="Log of web-1").click()
        await page.locator("#logs pre").get_by_text(EVIL).wait_for()
        await page.locator("#events").get_by_text(EVIL).wait_for()

        assert await page.locator("main script, main img").count() == 0
        assert await page.title() == "shop - Flyball"
        assert page.faults == []


async def test_it_comes_back_by_itself_and_has_missed_nothing(browser, runtime):
    calm(runtime)
    async with browsing(browser) as page:
        panel = await start(runtime)
        await opened(page, panel.url)
        assert await panel.end() < 30
        await page.locator("#live[data-live=no]").wait_for()
        await page.get_by_role("button", name="Deploy web").click()
        await page.get_by_role("dialog").get_by_role("button", name="Deploy").click()
        await page.locator("#told").get_by_text("The control plane does not answer.").wait_for()
        runtime.closing = asyncio.Event()
        runtime.listeners.clear()
        runtime.say(ReasonKind.SCALE_OUT, "while nobody looked", before=3, after=4)
        runtime.journal.record_history([Moment(runtime.clock.now(), "web", {"rps": 777.0})])

        again = await start(runtime)

        await page.locator("#live[data-live=yes]").wait_for()
        await page.locator("#why-web .decisions li").filter(has_text="while nobody looked").wait_for()
        await page.locator("#why-web .decisions li").filter(has_text="cpu 83 %").wait_for()
        assert await page.locator("#events li").filter(has_text="while nobody looked").count() == 1
        await page.get_by_role("img", name="and 777/s").wait_for()
        assert await page.locator("#notice").is_hidden()
        await again.end()


async def test_other_sites_pages_get_nowhere(browser, runtime):
    """A page of another port of this machine is the same site to a browser, so the cookie goes along: still refused.

    What goes along is not the token, and opens nothing.
    """
    calm(runtime)
    heard = []

    async def other_site(reader, writer):
        heard.append((await reader.readuntil(b"\r\n\r\n")).decode())
        page = b"<!doctype html><title>evil</title><form method=post></form>"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%s" % (len(page), page))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(other_site, "127.0.0.1", 0)
    evil = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        home = panel.url.partition("?")[0]
        await page.goto(evil)
        assert "flyball-" in heard[0], "the cookie goes along"
        assert panel.url.partition("token=")[2] not in "".join(heard)
        assert await page.evaluate("localStorage.length") == 0, "what the page keeps is another origin's"
        tried = await page.evaluate(
            """async (home) => {
                const body = new Blob(['{"desired": 9}'], {type: "text/plain"});
                const options = {method: "POST", mode: "no-cors", credentials: "include", body};
                const act = fetch(home + "api/services/web/scale", options);
                const read = fetch(home + "api/application", {credentials: "include"}).then((a) => a.text());
                const tried = await Promise.allSettled([act, read]);
                return tried.map((one) => one.status === "fulfilled" && one.value.length > 0);
            }""",
            home,
        )
        assert tried[1] is False
        await page.evaluate(
            "home => { document.forms[0].action = home + 'api/down'; document.forms[0].submit(); }", home
        )
        await page.get_by_text("Another site's page may not do this.").wait_for()

        assert runtime.submitted == []
        assert not runtime.stopping


async def test_one_service_or_the_whole_application(browser, tmp_path):
    runtime = PretendRuntime(
        application(*(service(name, scaling=tracking()) for name in ("users", "threads", "posts"))), tmp_path
    )
    for position, name in enumerate(("users", "threads", "posts"), 1):
        runtime.run(serving(position, service=name), name=name)
    runtime.past(200)
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        await page.locator("#tile-active .big").get_by_text("6", exact=True).wait_for()
        assert await page.locator(".why:visible").count() == 3
        await page.get_by_role("radio", name="posts").check()
        await page.locator("#tile-active .big").get_by_text("3", exact=True).wait_for()
        assert await page.locator(".why:visible").count() == 1
        await page.get_by_role("radio", name="24 h").check()
        await page.reload()
        await page.locator("#tile-active .big").get_by_text("3", exact=True).wait_for()
        assert await page.get_by_role("radio", name="24 h").is_checked()
        await page.locator("#traffic details").first.locator("summary").click()
        assert page.faults == []
    runtime.close()


async def test_charts_say_in_words_and_tables_what_they_show(browser, runtime):
    calm(runtime)
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        loaded = page.get_by_role("img", name="between 25 and 65 %")  # before that, what is live alone
        await page.get_by_role("img", name="web: CPU (%)").and_(loaded).wait_for()
        await page.locator("#why-web details").first.locator("summary").click()
        rows = page.locator("#why-web details").first.locator("tbody tr")
        await rows.first.wait_for()
        assert 20 < await rows.count() <= 61


async def test_a_week_has_its_days_below_it_on_a_phone(browser, runtime):
    calm(runtime)
    runtime.journal.record_history([Moment(runtime.clock.now() - 600_000, "web", {"rps": 1.0})], resolution=60)
    async with served(runtime) as panel, browsing(browser, viewport={"width": 360, "height": 800}) as page:
        await page.add_init_script(WRITTEN)
        await opened(page, panel.url)
        await page.goto(panel.url.partition("?")[0] + "?range=604800")
        await page.wait_for_function("() => [...written].some((text) => /^[0-9]+ [A-Z][a-z]+$/.test(text))")


async def test_a_hundred_instances_and_a_day_of_history(browser, runtime):
    now = runtime.clock.now()
    for number in range(400):
        runtime.say(ReasonKind.HELD, f"scale-in held: cooldown, {number} s left", at=now - 80_000 + number)
    runtime.run(serving(100))
    runtime.past(290, minutes=24 * 60)
    async with served(runtime) as panel, browsing(browser) as page:
        await opened(page, panel.url)
        await page.goto(panel.url.partition("?")[0] + "?range=86400")
        await page.locator("#instance-web-100").wait_for()
        await page.get_by_role("img", name="web: instances").locator("canvas").wait_for()
        used = [await _events(page, runtime) for _ in range(3)]

        assert used[-1] - used[1] < 1, used
        assert await page.locator("*").count() < 6000


async def _events(page, runtime) -> float:
    """Three hundred decisions; the browser's memory after them, in MB, garbage collected."""
    for number in range(300):
        runtime.say(ReasonKind.HELD, f"scale-in held: cooldown, {number} s left")
    await page.locator("#events li").first.filter(has_text="299 s left").wait_for()
    return await page.evaluate("gc(), performance.memory.usedJSHeapSize / 1e6")


@pytest.mark.live
async def test_what_lies_in_redis_is_seen_and_stays_text(browser, tmp_path):
    runtime = PretendRuntime(application(service(), stores=(Store(name="sessions", kind=StoreKind.REDIS),)), tmp_path)
    with redis_server(tmp_path) as server:
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        async with client(port, timeout_s=30.0) as redis:
            await redis.set(EVIL, EVIL, ex=90)
            await redis.rpush("list", "one", "two")
        runtime.stores = OneRedis(port)
        async with served(runtime) as panel, browsing(browser) as page:
            await opened(page, panel.url)
            await page.get_by_text("Look into sessions (read-only)").click()
            await page.get_by_role("button", name=EVIL).click()
            await page.locator("#stores pre").get_by_text(EVIL).wait_for()
            await page.locator("#stores tbody tr").filter(has_text="1 min").wait_for()
            await page.get_by_role("button", name="list").click()
            await page.locator("#stores").get_by_text("list: list, 2 items").wait_for()
            assert (await axe.Axe().run(page)).violations_count == 0
            assert await page.title() == "shop - Flyball"
            assert page.faults == []
    runtime.close()


async def test_streams_do_not_hold_up_the_end(browser, runtime):
    calm(runtime)
    async with served(runtime) as panel, browsing(browser) as page, browsing(browser) as second:
        await opened(page, panel.url)
        await opened(second, panel.url)

        assert await panel.end() < 30
