"""An application that works on four requests at a time, 40 ms each; the others wait, its health check too."""

import asyncio

_PLACES = asyncio.Semaphore(4)


async def app(scope, _receive, send):
    if scope["type"] != "http":
        return
    async with _PLACES:
        await asyncio.sleep(0.04)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
