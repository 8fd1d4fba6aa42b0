import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

import pytest

from app_servers import APPS, AWS_LIKE, Server, aws_like, environment, redis_server, serving

APP = APPS / "session-app"
# The app is an application beside this package, not a part of it; it imports its modules from its own folder.
sys.path.insert(0, str(APP))

StartApp = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def s3(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3-like server."""
    with aws_like(pytestconfig, tmp_path_factory.mktemp("s3")) as server:
        yield server.url


@pytest.fixture
def bucket(s3: str, tmp_path: Path) -> Iterator[str]:
    """The UPLOADS_URL of a fresh bucket; the credentials are in the environment, where the SDK looks."""
    import boto3

    os.environ.update(AWS_LIKE)
    name = tmp_path.name.replace("_", "-")
    client = boto3.session.Session().client("s3", endpoint_url=s3)
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": AWS_LIKE["AWS_DEFAULT_REGION"]})
    client.close()
    yield f"s3://{name}?region={AWS_LIKE['AWS_DEFAULT_REGION']}&endpoint={s3}"
    for variable in AWS_LIKE:
        os.environ.pop(variable, None)


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis server for all tests that do not end it."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def start_app(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> StartApp:
    """Starts a copy of the app with the command of its file: `start_app(SESSIONS_URL=…, UPLOADS_URL=…)`."""
    run = tomllib.loads((APP / "flyball.toml").read_text())["services"]["app"]["run"]
    program, *words = run.replace("$PORT", "PORT").split()
    programs = environment(pytestconfig, (APP / "requirements.txt").read_text())
    folder, numbers = tmp_path_factory.mktemp("app"), count(1)

    @contextmanager
    def start(**settings: str) -> Iterator[Server]:
        name = f"app-{next(numbers)}"
        env = {**AWS_LIKE, "FLYBALL_INSTANCE": name, **settings}
        with serving([programs / program, *words], env=env, cwd=APP, log=folder / f"{name}.log") as server:
            yield server

    return start


@pytest.fixture(scope="session")
def app(start_app: StartApp, redis: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One copy with a folder for uploads of at most 1,000,000 bytes, shared by the tests that only talk to it."""
    folder = tmp_path_factory.mktemp("uploads")
    settings = {"SESSIONS_URL": redis.url, "UPLOADS_URL": f"file://{folder}", "MAX_UPLOAD_BYTES": "1000000"}
    with start_app(**settings) as server:
        yield server
