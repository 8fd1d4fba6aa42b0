"""One health request to one instance, before the balancer knows it."""

from __future__ import annotations

import asyncio
import ssl

from flyball.local.process.walls.address import Address


def _anybody() -> ssl.SSLContext:
    """The balancer is who looks at certificates, where the file wants that."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


_ANYBODY = _anybody()


async def probe(at: Address, path: str, *, timeout_s: float, tls: bool = False) -> int | str:
    """The status that `path` answers with, or a few words why there is none."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _status(at, path, _ANYBODY if tls else None)
    except TimeoutError:
        return f"no answer on {path} within {timeout_s:g} s"
    except ConnectionRefusedError:
        return f"nothing listens on port {at.port}"
    except ssl.SSLError as error:
        return f"no TLS on port {at.port}: {error.reason or error}"
    except (OSError, ValueError, IndexError) as error:
        return f"no HTTP answer on {path}: {error or type(error).__name__}"


async def _status(at: Address, path: str, tls: ssl.SSLContext | None) -> int:
    reader, writer = await at.connect(tls)
    try:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{at.port}\r\nUser-Agent: flyball\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        line = await reader.readline()
        return int(line.split(b" ", 2)[1])
    finally:
        writer.close()
