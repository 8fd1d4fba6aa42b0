"""The applications' own calls under the synthesized policies: allowed; anything else: denied.

ministack evaluates role policies by resource; it is the one engine found that does so offline. What it says is no
proof of AWS's own evaluation, but a wrong resource or a missing action shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app_servers import serving
from aws import applications
from aws.conftest import Synth
from aws.programs import MINISTACK, program
from aws.template import Stack, text

pytestmark = [pytest.mark.synth, pytest.mark.live]
ACCOUNT = "000000000000"
REGION = "us-east-1"
ANYBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


@pytest.fixture(scope="module")
def endpoint(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A ministack that asks for permission, on a loopback port."""
    directory = tmp_path_factory.mktemp("ministack")
    env = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": "PORT",
        "HOME": str(directory),
        "IOT_MTLS_ENABLED": "false",
    }
    command = [program(pytestconfig, MINISTACK, "ministack")]
    with serving(command, env=env, cwd=directory, log=directory / "log", ready="/") as server:
        yield server.url


class Account:
    """The emulated account: an administrator's clients, and clients under a role of a template."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def client(self, service: str, **credentials: str) -> Any:
        import boto3

        keys = credentials or {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)

    def under(self, stack: Stack, role: str, name: str) -> Callable[[str], Any]:
        """Clients that have exactly the policies which the template gives to `role`."""
        iam = self.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(ANYBODY))["Role"]["Arn"]
        statements = [
            {**statement, "Resource": _resolved(statement["Resource"])} for statement in stack.statements(role)
        ]
        policy = {"Version": "2012-10-17", "Statement": statements}
        iam.put_role_policy(RoleName=name, PolicyName="synthesized", PolicyDocument=json.dumps(policy))
        given = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="instance")["Credentials"]
        return lambda service: self.client(
            service,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
        )


def _resolved(resource: Any) -> Any:
    """The template's resources with the emulator's account."""
    if isinstance(resource, list):
        return [_resolved(each) for each in resource]
    return text(resource).replace("<AWS::AccountId>", ACCOUNT).replace("<", "").replace(">", "")


def denied(call: Callable[..., Any], **arguments: Any) -> bool:
    """Whether the account refuses the call for want of permission; any other error is an error."""
    from botocore.exceptions import ClientError

    try:
        call(**arguments)
    except ClientError as refused:
        if refused.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
            return True
        raise
    return False


@pytest.fixture(scope="module")
def account(endpoint: str) -> Account:
    return Account(endpoint)


@pytest.fixture(scope="module")
def tables(account: Account) -> None:
    for name in ("forum-forum", "visitor-board-messages", "somebody-elses"):
        account.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )


KEY = {"pk": {"S": "thread#1"}, "sk": {"S": "post#1"}}


@pytest.mark.usefixtures("tables")
def test_a_task_reads_and_writes_its_own_table(account: Account, forum: Stack):
    table = account.under(forum, "PostsTaskRole", "posts")("dynamodb")
    mine = {"TableName": "forum-forum"}
    table.put_item(Item={**KEY, "text": {"S": "hello"}}, ConditionExpression="attribute_not_exists(pk)", **mine)
    assert table.get_item(Key=KEY, **mine)["Item"]["text"] == {"S": "hello"}
    found = table.query(KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "thread#1"}}, **mine)
    assert found["Count"] == 1
    table.update_item(
        Key=KEY,
        UpdateExpression="SET #t = :t",
        ExpressionAttributeNames={"#t": "text"},
        ExpressionAttributeValues={":t": {"S": "changed"}},
        **mine,
    )
    table.transact_write_items(TransactItems=[{"Put": {**mine, "Item": {**KEY, "sk": {"S": "post#2"}}}}])
    table.batch_get_item(RequestItems={"forum-forum": {"Keys": [KEY]}})
    table.delete_item(Key=KEY, **mine)
    table.describe_table(**mine)


@pytest.mark.usefixtures("tables")
def test_a_task_reaches_no_other_table_and_governs_none(account: Account, forum: Stack):
    table = account.under(forum, "ThreadsTaskRole", "threads")("dynamodb")
    for name in ("somebody-elses", "visitor-board-messages"):
        assert denied(table.get_item, TableName=name, Key=KEY)
        assert denied(table.put_item, TableName=name, Item=KEY)
    assert denied(table.delete_table, TableName="forum-forum")
    assert denied(table.list_tables)
    assert denied(table.update_table, TableName="forum-forum", BillingMode="PAY_PER_REQUEST")


@pytest.mark.usefixtures("tables")
def test_a_machine_of_the_visitor_board_has_its_table_only(account: Account, synth: Synth):
    stack = synth(applications.visitor_board())["visitor-board-eu-north-1"]
    moved = Stack(json.loads(json.dumps(stack.template).replace("eu-north-1", REGION)))
    clients = account.under(moved, "WebInstanceRole", "web")
    clients("dynamodb").put_item(TableName="visitor-board-messages", Item=KEY)
    assert denied(clients("dynamodb").put_item, TableName="forum-forum", Item=KEY)
    assert denied(clients("s3").list_buckets)
    assert denied(clients("iam").list_users)


def test_a_machine_of_the_session_app_has_its_bucket_and_its_release(account: Account, session_app: Stack):
    uploads = f"session-app-uploads-{ACCOUNT}-{REGION}"
    releases = f"session-app-releases-{ACCOUNT}-{REGION}"
    root = account.client("s3")
    for bucket in (uploads, releases, "somebody-elses-bucket"):
        root.create_bucket(Bucket=bucket)
        root.put_object(Bucket=bucket, Key="app/1.tar.gz", Body=b"1")
        root.put_object(Bucket=bucket, Key="other/1.tar.gz", Body=b"1")
    s3 = account.under(session_app, "AppInstanceRole", "app")("s3")
    s3.put_object(Bucket=uploads, Key="a.txt", Body=b"a")
    assert s3.get_object(Bucket=uploads, Key="a.txt")["Body"].read() == b"a"
    assert s3.list_objects_v2(Bucket=uploads)["KeyCount"] == 3
    s3.delete_object(Bucket=uploads, Key="a.txt")
    assert s3.get_object(Bucket=releases, Key="app/1.tar.gz")["Body"].read() == b"1"
    assert denied(s3.get_object, Bucket=releases, Key="other/1.tar.gz")
    assert denied(s3.put_object, Bucket=releases, Key="app/2.tar.gz", Body=b"2")
    assert denied(s3.get_object, Bucket="somebody-elses-bucket", Key="app/1.tar.gz")
    assert denied(s3.delete_bucket, Bucket=uploads)
    assert denied(s3.put_bucket_policy, Bucket=uploads, Policy="{}")


def test_a_machine_reads_its_own_secret_only(account: Account, session_app: Stack):
    secrets = account.client("secretsmanager")
    mine = secrets.create_secret(Name="SessionsUrl", SecretString="rediss://mine")["ARN"]
    other = secrets.create_secret(Name="SomebodyElses", SecretString="x")["ARN"]
    named = json.loads(json.dumps(session_app.template).replace('{"Ref": "SessionsUrl"}', json.dumps(mine)))
    reader = account.under(Stack(named), "AppInstanceRole", "reader")("secretsmanager")
    assert reader.get_secret_value(SecretId=mine)["SecretString"] == "rediss://mine"
    assert denied(reader.get_secret_value, SecretId=other)
    assert denied(reader.list_secrets)
