"""The latency of each instance, from the newest lines of the balancer's access log.

The balancer itself knows latencies by service only. While a page is open, the log is read once a second, at most its
last `READ_BYTES`: every request up to about 800 a second, a sample above.
"""

from __future__ import annotations

import json
import math
from collections import deque
from pathlib import Path

READ_BYTES = 256 * 1024
KEEP_S = 10.0


class RecentRequests:
    """The 95th percentile of each instance's latest requests. `read` may run in a thread, but only in one at a time."""

    def __init__(self, access_log: Path) -> None:
        self._path = access_log
        self._offset: int | None = None
        self._took: deque[tuple[float, dict[str, list[float]]]] = deque()

    def read(self, now: float) -> dict[str, float]:
        """Instance -> p95 in ms over the last `KEEP_S` seconds; an instance without requests is absent."""
        self._took.append((now, self._newest()))
        while self._took[0][0] < now - KEEP_S:
            self._took.popleft()
        together: dict[str, list[float]] = {}
        for _, durations in self._took:
            for instance, values in durations.items():
                together.setdefault(instance, []).extend(values)
        return {instance: percentile(values, 0.95) for instance, values in together.items()}

    def _newest(self) -> dict[str, list[float]]:
        durations: dict[str, list[float]] = {}
        for line in self._lines():
            try:
                request = json.loads(line)
                instance, took = request["instance"], float(request["duration_ms"])
            except (ValueError, KeyError, TypeError):
                continue  # an incomplete line, the first or last
            if isinstance(instance, str):
                durations.setdefault(instance, []).append(took)
        return durations

    def _lines(self) -> list[bytes]:
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                first = self._offset is None or self._offset > size
                start = max(size - READ_BYTES, 0 if first or self._offset is None else self._offset)
                file.seek(start)
                data = file.read(size - start)
        except OSError:
            self._offset = None
            return []
        self._offset = start + data.rfind(b"\n") + 1
        return [] if first else data.splitlines()  # lines from before the first look are not recent


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed (nearest rank). `values` must not be empty."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
