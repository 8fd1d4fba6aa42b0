"""Answers every request at once, except that from 3 s after the first one it freezes for 2 s, once."""

import asyncio
import os
import time

FREEZE_AFTER_S = 3.0
FREEZE_S = 2.0


class Freezing(asyncio.Protocol):
    frozen_from = float("inf")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET /health"):
            self.answer()
            return
        now = time.monotonic()
        Freezing.frozen_from = min(Freezing.frozen_from, now + FREEZE_AFTER_S)
        left = Freezing.frozen_from + FREEZE_S - now
        if now < Freezing.frozen_from or left <= 0:
            self.answer()
        else:
            asyncio.get_running_loop().call_later(left, self.answer)

    def answer(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(
        Freezing, "127.0.0.1", int(os.environ["PORT"]), backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
