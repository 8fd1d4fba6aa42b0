"""Messages in a DynamoDB table with the key (board, posted). The table is given: the file declares it."""

from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from visitor_board.messages import Message
from visitor_board.store import StoreFailed

_BOARD = "main"
_COUNTER = {"board": {"S": "counters"}, "posted": {"S": "visits"}}
_FAILURES = (BotoCoreError, ClientError)


class DynamoDBStore:
    """The store in `table`; credentials come from where the AWS SDK looks for them."""

    at_once = 16

    def __init__(self, table: str, *, region: str, endpoint: str | None = None) -> None:
        self._table = table
        # Three tries within a health check's patience; a connection for each thread that may ask at once.
        config = Config(
            connect_timeout=1,
            read_timeout=2,
            max_pool_connections=32,
            retries={"mode": "standard", "total_max_attempts": 3},
        )
        self._client: Any = boto3.session.Session().client(
            "dynamodb", region_name=region, endpoint_url=endpoint, config=config
        )

    def add(self, message: Message) -> None:
        """See Store.add. The put is unconditional, so the SDK may repeat it when an answer was lost."""
        item = {
            "board": {"S": _BOARD},
            "posted": {"S": message.posted},
            "name": {"S": message.name},
            "message": {"S": message.message},
        }
        self._call("put_item", Item=item)

    def page(self, *, limit: int, before: str | None) -> tuple[Message, ...]:
        """See Store.page. Read consistently: whoever posts and is sent back to the board must find the message."""
        found: list[Message] = []
        bound = before or "~"
        while len(found) < limit:
            answer = self._call(
                "query",
                KeyConditionExpression="board = :board AND posted < :before",
                ExpressionAttributeValues={":board": {"S": _BOARD}, ":before": {"S": bound}},
                ScanIndexForward=False,
                ConsistentRead=True,
                Limit=limit - len(found),
            )
            found += [
                Message(posted=item["posted"]["S"], name=item["name"]["S"], message=item["message"]["S"])
                for item in answer["Items"]
            ]
            # A page of an answer ends at 1 MB also when the limit is not reached.
            if "LastEvaluatedKey" not in answer:
                break
            bound = answer["LastEvaluatedKey"]["posted"]["S"]
        return tuple(found)

    def count_visits(self, more: int) -> int:
        """See Store.count_visits. ADD is atomic in the store; a repeated call may count a batch twice."""
        answer = self._call(
            "update_item",
            Key=_COUNTER,
            UpdateExpression="ADD visits :more",
            ExpressionAttributeValues={":more": {"N": str(more)}},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["visits"]["N"])

    def visits(self) -> int:
        """See Store.visits."""
        answer = self._call("get_item", Key=_COUNTER)
        return int(answer["Item"]["visits"]["N"]) if "Item" in answer else 0

    def close(self) -> None:
        """See Store.close."""
        self._client.close()

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._client, operation)(TableName=self._table, **arguments)
        except _FAILURES as error:
            raise StoreFailed(f"DynamoDB: {error}") from error
