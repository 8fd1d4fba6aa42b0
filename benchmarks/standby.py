"""200 new connections a second while the balancer is killed or stopped, with a standby and without.

python -m benchmarks.standby
python -m benchmarks.standby --runs 3 --seconds 3

Every request opens a connection of its own. "refused": no connection was made. "lost": it was made, and ended without
an answer. "slow": answered, after more than 100 ms. "memory_mb" is what the two Envoys use beyond what they share.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
from benchmarks.harness import Figures, arguments, interleaved, medians, save, say, show
from benchmarks.product import application, board, flyball, processes

from flyball.local.process.ports import free_port

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
NAMES = ("kill, standby", "stop, standby", "kill, alone", "stop, alone")


def main() -> None:
    parser = arguments(__doc__, runs=10, seconds=4)
    parser.add_argument("--rate", type=int, default=200, help="new connections a second")
    parser.add_argument("--only", default="", help="measure only what has this word in its name")
    options = parser.parse_args()
    names = [name for name in NAMES if options.only in name]
    samples: dict[str, list[Figures]] = {}
    for kind in ("standby", "alone"):
        mine = [name for name in names if name.endswith(kind)]
        text = (board() / "flyball.toml").read_text() + ("\n[listener]\nstandby = true\n" if kind == "standby" else "")
        with application(board(), text) as (_, directory):
            port = free_port()
            flyball(directory, "up", "-d", "--port", str(port))

            def measure(name: str, directory: Path = directory, port: int = port) -> Figures:
                return asyncio.run(one(directory, port, name, options.rate, options.seconds))

            samples |= interleaved(mine, options.runs, measure) if mine else {}
    show("New connections while the balancer is gone", samples)
    for name, taken in samples.items():
        say(f"{name}: refused {sum(one['refused'] for one in taken):.0f}, lost {sum(one['lost'] for one in taken):.0f}")
    if options.save:
        save("standby", {"medians": medians(samples), "samples": samples})


async def one(directory: Path, port: int, name: str, rate: int, seconds: float) -> Figures:
    """The load, with the balancer hit after a quarter of it."""
    kind, with_standby = name.partition(",")[0], name.endswith("standby")
    before = await settled(directory, with_standby=with_standby)
    memory = sum(psutil.Process(pid).memory_full_info().uss for pid in before.values() if pid is not None)
    sending = asyncio.ensure_future(load(port, rate, seconds))
    await asyncio.sleep(seconds / 4)
    os.kill(before["pid"], SIGNALS[kind])
    found = await sending
    return {**found, "memory_mb": memory / 1e6}


async def settled(directory: Path, *, with_standby: bool) -> dict[str, Any]:
    while True:
        found = processes(directory)["balancer"]
        if found["pid"] and psutil.pid_exists(found["pid"]) and bool(found["standby"]) == with_standby:
            await asyncio.sleep(1.0)  # its health checks have begun
            return dict(found)
        await asyncio.sleep(0.2)


async def load(port: int, rate: int, seconds: float) -> Figures:
    counts: Counter[str] = Counter()
    began, asking = time.monotonic(), set()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        asking.add(asyncio.ensure_future(ask(port, counts)))
    await asyncio.gather(*asking)
    return {key: float(counts[key]) for key in ("sent", "refused", "lost", "slow", "wrong")}


async def ask(port: int, counts: Counter[str]) -> None:
    counts["sent"] += 1
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        counts["refused"] += 1
        return
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: board\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 30)
    except (OSError, TimeoutError):
        answer = b""
    finally:
        writer.close()
    if not answer:
        counts["lost"] += 1
    elif not answer.startswith(b"HTTP/1.1 200"):
        counts["wrong"] += 1
        say(json.dumps(answer[:60].decode(errors="replace")))
    elif time.monotonic() - began > 0.1:
        counts["slow"] += 1


if __name__ == "__main__":
    main()
