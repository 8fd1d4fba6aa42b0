"""Which engine an address means."""

from urllib.parse import parse_qs, unquote, urlsplit

from visitor_board.sqlite_store import SqliteStore
from visitor_board.store import Store


def open_store(url: str) -> Store:
    """The store at `sqlite:///ABSOLUTE/PATH` or `dynamodb://TABLE?region=REGION[&endpoint=URL]`.

    Raises ValueError for any other address, StoreFailed when a SQLite file cannot be made.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "sqlite" and parts.path.strip("/"):
        return SqliteStore("/" + unquote(parts.path).lstrip("/"))
    if parts.scheme == "dynamodb" and parts.netloc and "region" in options:
        from visitor_board.dynamodb_store import DynamoDBStore  # noqa: PLC0415  boto3 takes 0.3 s to import

        return DynamoDBStore(parts.netloc, region=options["region"], endpoint=options.get("endpoint"))
    raise ValueError(f"{url!r} is no store: give sqlite:///PATH or dynamodb://TABLE?region=REGION")
