"""The firewall in a real Envoy: each rule blocks or counts what it matches, and says how often."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest

from flyball.core.model import Firewall, FirewallAction, RateLimit
from flyball.local.envoy.process import has_v8
from local.envoy.envoy_rig import application

pytestmark = pytest.mark.live
BLOCK, COUNT = FirewallAction.BLOCK, FirewallAction.COUNT
EVERYTHING = Firewall(
    deny=("127.0.0.9/32", "2001:db8::/32"),
    allow=("127.0.0.0/29", "127.0.0.9/32"),
    methods=("GET", "POST"),
    max_url_bytes=200,
    max_headers_bytes=2000,
    max_body_bytes=1000,
    bad_input=BLOCK,
    rates=(RateLimit(requests=3, per_s=60, path="/api"), RateLimit(requests=1, per_s=60, path="/api", action=COUNT)),
)


async def status(envoy, path="/", *, source="127.0.0.2", method="GET", **more) -> int:
    connector = aiohttp.TCPConnector(local_addr=(source, 0))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.request(method, f"{envoy.url}{path}", allow_redirects=False, **more) as response,
    ):
        await response.read()
        return response.status


async def in_chunks(size: int) -> AsyncIterator[bytes]:
    """A body that does not tell its size before."""
    for first in range(0, size, 500):
        yield b"x" * min(500, size - first)


BAD = ("/?q=<script>alert(1)</script>", "/?f=../x%2fetc%2fpasswd", "/.git/config", "/?id=1'%20OR%20'1'='1", "/%00")


async def test_every_rule_blocks_what_it_matches_and_counts_it(envoy, instances):
    if not has_v8():
        pytest.skip("this Envoy runs no WebAssembly")
    await envoy.start(application(firewall=EVERYTHING), web=[await instances("web-1")])
    assert await status(envoy) == 200
    assert await status(envoy, source="127.0.0.9") == 403
    assert await status(envoy, source="127.0.0.100") == 403
    assert [await status(envoy, method=method) for method in ("POST", "DELETE", "OPTIONS")] == [200, 403, 403]
    assert [await status(envoy, "/" + "a" * size) for size in (190, 200)] == [200, 414]
    assert [await status(envoy, headers={"x-large": "a" * size}) for size in (500, 2500)] == [200, 431]
    assert [await status(envoy, path) for path in BAD] == [403] * len(BAD)
    assert await status(envoy, headers={"User-Agent": "${jndi:ldap://x}"}) == 403
    assert [await status(envoy, method="POST", data=b"x" * size) for size in (1000, 1001)] == [200, 413]
    assert [await status(envoy, method="POST", data=in_chunks(size)) for size in (1000, 1001)] == [200, 413]
    assert [await status(envoy, "/api/x?y") for _ in range(5)] == [200] * 3 + [429] * 2
    assert await status(envoy, "/api", source="127.0.0.3") == 200
    assert await status(envoy, "/apiary") == 200
    assert await envoy.admin.matched() == {
        "allow": 1,
        "bad_input": len(BAD) + 1,
        "body": 2,  # one that told its size, and one that came in chunks
        "deny": 1,
        "headers": 1,
        "methods": 2,
        "rate-1": 2,
        "rate-2": 2,  # only counts, and does not see what the first has refused
        "url": 1,
    }


async def test_rules_that_count_let_everything_through(envoy, instances):
    counting = replace(EVERYTHING, action=COUNT, bad_input=COUNT)
    await envoy.start(application(firewall=counting), web=[await instances("web-1")])
    requests = [
        {"source": "127.0.0.9"},
        {"method": "DELETE"},
        {"path": "/" + "a" * 300},
        {"headers": {"x-large": "a" * 2500}},
        {"path": BAD[0]},
        {"method": "POST", "data": b"x" * 1001},
    ]
    assert [await status(envoy, **one) for one in requests] == [200] * len(requests)
    matched = await envoy.admin.matched()
    assert matched.keys() >= {"bad_input", "body", "deny", "headers", "methods", "url"}


async def test_the_window_of_a_rate_slides(envoy, instances):
    """A bucket of 20 that is refilled within 2 s would let 40 through in the first two seconds."""
    if not has_v8():
        pytest.skip("this Envoy runs no WebAssembly")
    limit = RateLimit(requests=20, per_s=2.0)
    await envoy.start(application(firewall=Firewall(rates=(limit,))), web=[await instances("web-1")])
    taken: list[float] = []
    begun = time.monotonic()
    while time.monotonic() - begun < 5:
        if await status(envoy) == 200:
            taken.append(time.monotonic())
    assert len(taken) > 40  # it goes on letting through
    windows = [sum(first <= at < first + limit.per_s * 0.9 for at in taken) for first in taken]
    assert max(windows) <= limit.requests * 1.25  # as if the window before had come evenly


async def test_without_webassembly_a_bucket_stands_in(envoy, instances):
    envoy.queue = None
    firewall = Firewall(rates=(RateLimit(requests=3, per_s=60),))
    await envoy.start(application(firewall=firewall), web=[await instances("web-1")])
    assert [await status(envoy) for _ in range(5)] == [200] * 3 + [429] * 2
