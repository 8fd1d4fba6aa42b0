"""The forum's other services, asked through the balancer's address."""

from __future__ import annotations

import asyncio
from typing import Protocol

import aiohttp

from forum.problems import unavailable

_TIMEOUT = aiohttp.ClientTimeout(total=2.0, connect=0.5)


class Peers(Protocol):
    """Who knows whether a resource of another service exists."""

    async def has(self, name: str, id_: str, *, request_id: str) -> bool:
        """Whether the service `name` has a resource `id_`. Raises Problem (503) when it cannot say."""

    async def close(self) -> None:
        """Lets go of connections."""


class HttpPeers:
    """One pool of connections. `address` is the balancer's, such as http://127.0.0.1:8080; empty: nobody to ask."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def has(self, name: str, id_: str, *, request_id: str) -> bool:
        if not self._address:
            raise unavailable(f"the address of the {name} service is not known here (FLYBALL_URL is not set)")
        try:
            status = await self._status(f"{self._address}/api/{name}/{id_}", request_id)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unavailable(f"the {name} service does not answer") from error
        if status == 200:
            return True
        if status == 404:
            return False
        raise unavailable(f"the {name} service answered {status}")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # lets the transports see that they are closed

    async def _status(self, url: str, request_id: str) -> int:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        headers = {"x-request-id": request_id} if request_id else {}
        async with self._session.head(url, headers=headers, allow_redirects=False) as answer:
            return answer.status
