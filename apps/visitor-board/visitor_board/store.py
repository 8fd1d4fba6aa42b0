"""Where messages are kept: one small protocol, and which engine an address means."""

from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from visitor_board.messages import Message


class StoreFailed(Exception):
    """The store did not answer, or not in time."""


class Store(Protocol):
    """What the board needs of a store. Every method raises StoreFailed when the store does.

    Any number of processes share one store; all methods may be called from several threads.
    """

    at_once: int
    """How many requests it pays to work on at once: few where the work is this machine's, more where it is waiting."""

    def add(self, message: Message) -> None:
        """Keep the message. When this returns, the death of any process loses nothing."""

    def page(self, *, limit: int, before: str | None) -> tuple[Message, ...]:
        """At most `limit` messages, newest first, all older than the key `before`, or the newest of all."""

    def count_visits(self, more: int) -> int:
        """Add `more` visits to the count at once, and tell the new total."""

    def visits(self) -> int:
        """The count of visits. Cheap: it is the health check's question too."""

    def close(self) -> None:
        """Let go of connections."""


def open_store(url: str) -> Store:
    """The store at `sqlite:///ABSOLUTE/PATH` or `dynamodb://TABLE?region=REGION[&endpoint=URL]`.

    Raises ValueError for any other address, StoreFailed when a SQLite file cannot be made.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "sqlite" and parts.path.strip("/"):
        from visitor_board.sqlite_store import SqliteStore  # noqa: PLC0415  each engine is loaded only where it serves

        return SqliteStore("/" + unquote(parts.path).lstrip("/"))
    if parts.scheme == "dynamodb" and parts.netloc and "region" in options:
        from visitor_board.dynamodb_store import DynamoDBStore  # noqa: PLC0415  boto3 takes 0.3 s to import

        return DynamoDBStore(parts.netloc, region=options["region"], endpoint=options.get("endpoint"))
    raise ValueError(f"{url!r} is no store: give sqlite:///PATH or dynamodb://TABLE?region=REGION")
