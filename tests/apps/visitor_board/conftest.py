import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app_servers import APPS, AWS_LIKE, aws_like

BOARD = APPS / "visitor-board"
# The board is an application beside this package, not a part of it; it imports its modules from its own folder.
sys.path.insert(0, str(BOARD))


@pytest.fixture(scope="session")
def dynamodb(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a DynamoDB-like server."""
    with aws_like(pytestconfig, tmp_path_factory.mktemp("dynamodb")) as server:
        yield server.url


@pytest.fixture
def table(dynamodb: str, tmp_path: Path) -> str:
    """The MESSAGES_URL of a fresh table with the key that the file declares."""
    import boto3

    name = tmp_path.name
    client = boto3.session.Session(
        AWS_LIKE["AWS_ACCESS_KEY_ID"], AWS_LIKE["AWS_SECRET_ACCESS_KEY"], region_name=AWS_LIKE["AWS_DEFAULT_REGION"]
    ).client("dynamodb", endpoint_url=dynamodb)
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "board", "KeyType": "HASH"}, {"AttributeName": "posted", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "board", "AttributeType": "S"},
            {"AttributeName": "posted", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.close()
    return f"dynamodb://{name}?region={AWS_LIKE['AWS_DEFAULT_REGION']}&endpoint={dynamodb}"


@pytest.fixture
def broken() -> object:
    """A store that is out of reach."""
    from visitor_board.store import StoreFailed

    class Broken:
        at_once = 1

        def away(self, *_: object, **__: object) -> None:
            raise StoreFailed("away")

        add = page = count_visits = visits = away

        def close(self) -> None: ...

    return Broken()
