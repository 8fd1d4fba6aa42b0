"""Events from the command line: which of the stream are shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flyball.cli.events import _is_of, followed


class Streaming:
    """A control plane whose stream begins with what is long past."""

    def stream(self, *, after: int | None) -> Iterator[dict[str, Any] | None]:
        yield from (one for one in map(event, range(1, 6)) if one["id"] > (after or 0))
        yield None


def event(number: int) -> dict[str, Any]:
    return {"id": number, "at": 100.0 * number, "service": "web" if number % 2 else "api"}


def shown(**wanted: Any) -> list[int]:
    return [one["id"] for one in followed(Streaming(), **({"after": 0, "since": 0.0, "service": None} | wanted))]


def test_what_is_followed_begins_no_earlier_than_asked_for() -> None:
    assert shown() == [1, 2, 3, 4, 5]
    assert shown(since=350.0) == [4, 5]
    assert shown(after=2, service="web") == [3, 5]


def test_what_the_edge_tells_of_a_region_is_of_that_region() -> None:
    assert _is_of({"region": "eu-west-1"}, "eu-west-1")
    assert not _is_of({"region": "us-east-1"}, "eu-west-1")
    assert _is_of({"region": "us-east-1"}, None)
    assert _is_of({}, None)
