"""A tiny JSON application, the least that Python serves."""

import json


async def app(scope, _receive, send):
    if scope["type"] != "http":
        return
    body = json.dumps({"path": scope["path"], "items": [1, 2, 3], "ok": True}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
