"""What the board needs of the place where messages are kept."""

from typing import Protocol

from visitor_board.messages import Message


class StoreFailed(Exception):
    """The store did not answer, or not in time."""


class Store(Protocol):
    """A store of messages and visits. Every method raises StoreFailed when the store does.

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
