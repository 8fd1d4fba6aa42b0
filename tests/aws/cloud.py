"""An account in moto, somebody at the terminal, and AWS's clients played from a script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flyball import aws
from flyball.aws import deployment
from flyball.aws.deployment.account import boto3_clients
from flyball.aws.names import SOURCE_PARAMETER
from flyball.core.model import Application


@dataclass
class Operator:
    """Somebody at the terminal: agrees or not, and remembers what was said."""

    agrees: bool = True
    lines: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def desk(self) -> deployment.Desk:
        return deployment.Desk(say=self.lines.append, agree=self._answer, pause=lambda seconds: None)

    def _answer(self, question: str) -> bool:
        self.questions.append(question)
        return self.agrees


@dataclass
class Cloud:
    """An account in moto with the applications deployed."""

    operators: dict[str, Operator]
    plans: dict[str, tuple[deployment.StackPlan, ...]]

    def client(self, service: str, region: str = "us-east-1") -> Any:
        return boto3_clients(service, region)


def plan(app: Application, directory: Path) -> tuple[deployment.StackPlan, ...]:
    aws.synth(app, directory / app.name, source=directory)
    return deployment.plans(app, directory / app.name)


def stores_only(app: Application, directory: Path) -> tuple[deployment.StackPlan, ...]:
    """The stores of the plans and nothing else: moto cannot delete a whole network."""
    return tuple(_stores_of(each) for each in plan(app, directory))


def _stores_of(wanted: deployment.StackPlan) -> deployment.StackPlan:
    whole = json.loads(wanted.template)
    kinds = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::CodeCommit::Repository", "AWS::SNS::Topic")
    kept = {name: each for name, each in whole["Resources"].items() if each["Type"] in kinds}
    kept["Alarms"]["Properties"].pop("KmsMasterKeyId")
    for bucket in (each for each in kept.values() if each["Type"] == "AWS::S3::Bucket"):
        bucket["Properties"].pop("LoggingConfiguration", None)
    template = {"Resources": kept}
    for part, names in (
        ("Parameters", ("FirstDeploy", SOURCE_PARAMETER)),
        ("Conditions", ("IsFirstDeploy", "MakesSource")),
    ):
        template[part] = {name: whole[part][name] for name in names if name in whole[part]}
    return replace(wanted, template=json.dumps(template))


class Scripted:
    """One of AWS's clients: every call answers what the script has for it, and is remembered."""

    class exceptions:  # noqa: N801 - boto3's name
        ClusterNotFoundException = KeyError
        ResourceNotFoundException = KeyError

    def __init__(self, script: Mapping[str, Any]) -> None:
        self.script = script
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._next: dict[str, int] = {}

    def clients(self, service: str, region: str) -> Any:
        return self

    def __getattr__(self, call: str) -> Any:
        return lambda **asked: self._answer(call, asked)

    def get_paginator(self, call: str) -> Any:
        return Paged(self, call)

    def get_waiter(self, call: str) -> Any:
        return self._answer("get_waiter", {"waiter_name": call})

    def _answer(self, call: str, asked: dict[str, Any]) -> Any:
        """The script's answer; of a list of answers the next one, and the last for ever."""
        self.calls.append((call, asked))
        answer = self.script.get(call, {})
        if isinstance(answer, list):
            turn = self._next.get(call, 0)
            self._next[call] = turn + 1
            answer = answer[min(turn, len(answer) - 1)]
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Paged:
    """The pages of a call: one."""

    def __init__(self, client: Scripted, call: str) -> None:
        self.client = client
        self.call = call

    def paginate(self, **asked: Any) -> list[Any]:
        return [self.client._answer(self.call, asked)]
