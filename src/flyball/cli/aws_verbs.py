"""`flyball aws`: its verbs and their options. Each verb's body has its own file, imported when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from flyball.cli.options import File, Follow, Json, Only, Place, Since, seconds

# ruff: noqa: PLC0415 - as in flyball.cli.main

aws = App(name="aws", help="The same file on AWS: synthesize, compare, deploy, look, act.")
Yes = Annotated[bool, Parameter(name=["--yes", "-y"], negative="", help="Do not ask for confirmation.")]


@aws.command(name="synth")
def aws_synth(
    path: Place = None, *, out: Annotated[Path, Parameter(help="Directory for the templates.")] = Path("cdk.out")
) -> int:
    """Write the CloudFormation templates; needs neither network nor account."""
    from flyball.cli.aws import synth

    return synth(path, out)


@aws.command(name="diff")
def aws_diff(path: Place = None, *, json: Json = False) -> int:
    """Show what a deployment would change."""
    from flyball.cli.aws import diff

    return diff(path, json=json)


@aws.command(name="deploy")
def aws_deploy(path: Place = None, *, yes: Yes = False) -> int:
    """Show the changes, ask for confirmation, and deploy."""
    from flyball.cli.aws import deploy

    return deploy(path, yes=yes)


@aws.command(name="destroy")
def aws_destroy(
    path: Place = None,
    *,
    yes: Yes = False,
    with_stores: Annotated[bool, Parameter(negative="", help="Also delete the data.")] = False,
) -> int:
    """Ask for confirmation, then delete what was deployed; keep the stores unless told otherwise."""
    from flyball.cli.aws import destroy

    return destroy(path, yes=yes, with_stores=with_stores)


@aws.command(name="release")
def aws_release(path: Place = None) -> int:
    """Build, test and roll out the working copy on AWS, without a push; exit 1 if it fails."""
    from flyball.cli.aws_running import release

    return release(path)


@aws.command(name="ps")
def aws_ps(path: Place = None, *, json: Json = False) -> int:
    """Show services, capacity and instances on AWS."""
    from flyball.cli.aws_running import look

    return look(path, json=json)


@aws.command(name="logs")
def aws_logs(
    service: Annotated[str | None, Parameter(help="Only this service, or this instance.")] = None,
    *,
    follow: Follow = False,
    since: Since = None,
    grep: Annotated[str | None, Parameter(help="Only lines that match this regular expression.")] = None,
    lines: Annotated[int | None, Parameter(name=["--lines", "-n"], help="The newest lines of all.")] = None,
    times: Annotated[bool, Parameter(name=["--times", "-t"], negative="", help="When each line was written.")] = False,
    file: File = None,
    json: Json = False,
) -> int:
    """Show the output of instances on AWS, by time; by default that of the last hour."""
    from flyball.cli.aws_running import log
    from flyball.cli.logs import Form, asked

    form = Form(json=json, times=times or (sys.stdout.isatty() and not json))
    return log(file, asked(service, lines, seconds(since), grep), form, follow=follow)


@aws.command(name="events")
def aws_events(
    service: Only = None, *, follow: Follow = False, since: Since = None, file: File = None, json: Json = False
) -> int:
    """Show what AWS decided and did, in its own sentences."""
    from flyball.cli.aws_running import events

    return events(file, since_s=seconds(since), service=service, follow=follow, json=json)


@aws.command(name="releases")
def aws_releases(service: Only = None, *, file: File = None, json: Json = False) -> int:
    """List releases on AWS."""
    from flyball.cli.aws_running import list_releases

    return list_releases(file, service, json=json)


@aws.command(name="rollback")
def aws_rollback(
    service: Annotated[str, Parameter(help="The service to roll back.")],
    release: Annotated[int | None, Parameter(help="Its number; by default the one before the current.")] = None,
    *,
    file: File = None,
) -> int:
    """Roll out an earlier release on AWS again, and wait."""
    from flyball.cli.aws_running import rollback

    return rollback(file, service, release)


@aws.command(name="scale")
def aws_scale(*wishes: Annotated[str, Parameter(help="SERVICE=N")], file: File = None) -> int:
    """Set the desired capacity on AWS; scaling policies stay active."""
    from flyball.cli.aws_running import set_capacity

    return set_capacity(file, list(wishes))


@aws.command(name="exec")
def aws_exec(
    service: Annotated[str, Parameter(help="A service or an instance.")],
    *command: Annotated[str, Parameter(allow_leading_hyphen=True, help="The command; by default a shell.")],
    file: File = None,
) -> int:
    """Run a command in an instance on AWS, through Systems Manager."""
    from flyball.cli.aws_running import run_in

    return run_in(file, service, list(command))
