"""The front page in a real browser."""

import shutil

import pytest

from apps.forum.running import running

playwright = pytest.importorskip("playwright.async_api", reason="needs playwright")

pytestmark = [
    pytest.mark.live,
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium"),
]
_ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
EVIL = '<img src=x onerror="document.title=`owned`">'


@pytest.fixture
async def page():
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=shutil.which("chromium"), args=_ARGUMENTS)
        opened = await browser.new_page()
        opened.set_default_timeout(10_000)
        opened.faults = []
        opened.on("console", lambda message: opened.faults.append(message.text) if message.type == "error" else None)
        opened.on("pageerror", lambda error: opened.faults.append(str(error)))
        yield opened
        await browser.close()


async def write(page, **fields):
    for label, text in fields.items():
        await page.get_by_label(label.replace("_", " ")).fill(text)
    await page.locator("form button").click()


async def test_a_thread_is_begun_read_and_answered(pytestconfig, tmp_path, page):
    async with running(pytestconfig, tmp_path) as (router, _):
        await page.goto(router.url)
        await write(page, Your_name=EVIL, Title=f"Engines {EVIL}", First_post=f"What turns it?\n\n{EVIL}")
        await page.get_by_role("heading", name=f"Engines {EVIL}").wait_for()
        await page.get_by_text("What turns it?").wait_for()
        assert await page.get_by_label("Your name").input_value() == EVIL
        await write(page, Text="Steam.")
        await page.get_by_role("status").get_by_text("Posted.").wait_for()
        assert await page.locator(".posts li").count() == 2
        assert await page.locator(".posts .author").first.inner_text() == EVIL
        await page.get_by_role("link", name="All threads").click()
        await page.locator(".list a").first.click()
        await page.get_by_text("Steam.").wait_for()
        assert await page.locator("main img").count() == 0
        assert await page.title() != "owned"
        assert page.faults == []


async def test_many_threads_come_page_by_page(pytestconfig, tmp_path, page):
    async with running(pytestconfig, tmp_path) as (router, _):
        for number in range(25):
            await router.session.post(f"{router.url}/api/threads", json={"title": f"Thread {number}"})
        await page.goto(router.url)
        await page.locator(".list li").nth(19).wait_for()
        await page.get_by_role("button", name="Older threads").click()
        await page.locator(".list li").nth(24).wait_for()
        assert await page.locator(".list li").count() == 25
        assert await page.get_by_role("button", name="Older threads").is_hidden()


async def test_trying_again_makes_no_second_copy(pytestconfig, tmp_path, page):
    async with running(pytestconfig, tmp_path) as (router, _):
        await page.goto(router.url)
        posts, router.targets["posts"] = router.targets["posts"], []
        await write(page, Your_name="Ada", Title="Engines", First_post="What turns it?")
        await page.get_by_role("status").get_by_text("503").wait_for()
        router.targets["posts"] = posts
        await page.locator("form button").click()
        await page.get_by_text("What turns it?").wait_for()
        async with router.session.get(f"{router.url}/api/threads") as answer:
            assert len((await answer.json())["items"]) == 1


async def test_a_thread_that_is_not_there_says_so(pytestconfig, tmp_path, page):
    async with running(pytestconfig, tmp_path) as (router, _):
        await page.goto(f"{router.url}/#/threads/01KAHP9V5NHY1DWD0Q9TR5W7ZA")
        await page.get_by_role("status").get_by_text("there is no such thread").wait_for()
