"""A health request to a program that speaks TLS, or does not."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from flyball.local.envoy import certificate
from flyball.local.instances.probe import probe
from flyball.local.process.walls.address import Address

pytestmark = pytest.mark.live


@pytest.mark.parametrize("asked_with_tls", [True, False])
@pytest.mark.parametrize("has_tls", [True, False])
async def test_it_is_asked_as_its_service_says(tmp_path: Path, has_tls: bool, asked_with_tls: bool):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readline()).startswith(b"GET /health "):
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.self_made(tmp_path))
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context if has_tls else None)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await probe(Address(port), "/health", timeout_s=60.0, tls=asked_with_tls)
    if has_tls is asked_with_tls:
        assert found == 204
    else:
        assert isinstance(found, str)
