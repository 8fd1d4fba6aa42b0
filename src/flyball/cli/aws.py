"""`flyball aws synth|diff|deploy|destroy`: the file on AWS. Nothing is changed there without confirmation."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from flyball import aws, parity
from flyball.aws import deployment
from flyball.aws.deployment.account import boto3_clients
from flyball.core.model import Application

from . import floor, talk
from .files import find_file, load


def synth(path: Path | None, out: Path) -> int:
    """Write the templates into `out` and print their names."""
    file = find_file(path)
    app = load(file)
    _warn(app)
    for written in aws.synth(app, out, source=file.parent):
        print(written)
    talk.say("synthesized and linted, not deployed")
    return 0


def diff(path: Path | None, *, json: bool = False) -> int:
    """Print what a deployment would change in the account."""
    app, plans = _prepared(path)
    found = deployment.diff(app, plans, clients=boto3_clients)
    if json:
        talk.emit({name: [str(change) for change in changes] for name, changes in found.items()})
        return 0
    for name, changes in found.items():
        print(f"{name}: {len(changes)} changes")
        for change in changes:
            print(f"  {change}")
    return 0


def deploy(path: Path | None, *, yes: bool = False) -> int:
    """Show the changes, ask for confirmation, deploy, and print the URLs of the application."""
    app, plans = _prepared(path)
    _warn(app)
    talk.say(f"{app.name}: {floor.sentence(app)}")
    outputs = deployment.deploy(app, plans, _desk(yes=yes), clients=boto3_clients)
    for name, value in sorted(outputs.items()):
        print(f"{name}: {value}")
    return 0


def destroy(path: Path | None, *, yes: bool = False, with_stores: bool = False) -> int:
    """Ask for confirmation, then delete the stacks. Tables, buckets, images and source stay unless `with_stores`."""
    _, plans = _prepared(path)
    deployment.destroy(plans, _desk(yes=yes), clients=boto3_clients, with_stores=with_stores)
    return 0


def _prepared(path: Path | None) -> tuple[Application, tuple[deployment.StackPlan, ...]]:
    file = find_file(path)
    app = load(file)
    with TemporaryDirectory(prefix="flyball-aws-") as directory:
        aws.synth(app, Path(directory), source=file.parent)
        return app, deployment.plans(app, Path(directory))


def _warn(app: Application) -> None:
    for line in parity.unhonoured(app, parity.world_on_aws(app)):
        talk.say(f"warning: {line}", "yellow")


def _desk(*, yes: bool) -> deployment.Desk:
    return deployment.Desk(say=talk.say, agree=_agreed if yes else _ask)


def _agreed(question: str) -> bool:
    talk.say(f"{question} yes")
    return True


def _ask(question: str) -> bool:
    """Only `yes` confirms; without a terminal the answer is no."""
    if not sys.stdin.isatty():
        talk.say(f"{question} no terminal to ask on; use --yes")
        return False
    return input(f"{question} Type yes: ").strip() == "yes"
