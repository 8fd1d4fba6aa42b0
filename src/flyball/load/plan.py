"""What to send, where, when, and what counts as success."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from urllib.parse import urlsplit

from flyball.core.arrivals import RateCurve, arrivals, evenly
from flyball.core.errors import FileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A repeatable load: the curve and the seed determine when each request is due.

    `evenly`: equal gaps instead of Poisson ones. `requests`: stop after that many. `expect`: the statuses that count as
    ok (None: everything below 400). `timeout_s` counts from the sending. More than `max_outstanding` unanswered
    requests are not sent, but counted as failed: that bounds memory and connections. Raises FileError.
    """

    url: str
    curve: RateCurve
    seed: int = 0
    evenly: bool = False
    requests: int | None = None
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    expect: frozenset[int] | None = None
    timeout_s: float = 60.0
    max_outstanding: int = 10_000
    allow_remote: bool = False

    def __post_init__(self) -> None:
        if not _is_web_address(self.url):
            raise FileError(f'"{self.url}" is not an http:// or https:// URL')
        if not self.method.isascii() or not self.method.isalpha():
            raise FileError(f'"{self.method}" is not an HTTP method')
        if not self.timeout_s > 0:
            raise FileError(f"the timeout must be more than 0 seconds, found {self.timeout_s:g}")
        if self.requests is not None and self.requests < 1:
            raise FileError(f"at least 1 request must be sent, found {self.requests}")
        if self.max_outstanding < 1:
            raise FileError(f"at least 1 request must be allowed to be unanswered, found {self.max_outstanding}")
        if not self.url.isascii() or any(c.isspace() for c in self.url):
            raise FileError(f'"{self.url}" has characters that a URL must escape')
        for name, value in self.headers:
            if not name or any(c in "\r\n:" or c.isspace() for c in name) or any(c in "\r\n" for c in value):
                raise FileError(f'"{name}: {value}" is not a header')

    def due(self) -> Iterator[float]:
        """When each request is due, in seconds from the start, rising."""
        # The schedule must be repeatable, not secret.
        times = evenly(self.curve) if self.evenly else arrivals(self.curve, Random(self.seed).random)  # noqa: S311
        return times if self.requests is None else islice(times, self.requests)

    def request(self) -> bytes:
        """The bytes of the request, the same every time."""
        parts = urlsplit(self.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        given = {name.lower() for name, _ in self.headers}
        host = parts.netloc.rpartition("@")[2]
        own = [("Host", host), ("User-Agent", "flyball-load"), ("Accept", "*/*")]
        if self.body or self.method.upper() in {"POST", "PUT", "PATCH"}:
            own.append(("Content-Length", str(len(self.body))))
        lines = [f"{self.method.upper()} {path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in own if name.lower() not in given]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + self.body


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # unbalanced brackets of an IPv6 address
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
