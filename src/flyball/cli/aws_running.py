"""`flyball aws ps|logs|events|releases|rollback|exec|scale`: the local verbs, of what runs on AWS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flyball.aws import running
from flyball.aws.deployment.account import answering, boto3_clients
from flyball.core.errors import FileError
from flyball.core.model import Service

from . import events as events_verb
from . import lines, logs, ps, releases, scale, talk
from .files import find_file, load

Regions = tuple[running.There, ...]
USUAL_LOOK_BACK_S = 3600.0
"""How far `logs` looks back unless it is told: CloudWatch reads forward, and may have weeks."""


def look(path: Path | None, *, json: bool) -> int:
    """Print what runs there."""
    with _asked(path) as regions:
        described = running.application(regions, now=time.time())
    if json:
        talk.emit(described)
    else:
        ps.show(described)
    return 0


def log(path: Path | None, wanted: logs.Wanted, form: logs.Form, *, follow: bool) -> int:
    """Print lines of the instances; with `follow`, keep printing."""
    with _asked(path) as regions:
        services, instance = _of(regions, wanted.service)
        since = wanted.since or time.time() - USUAL_LOOK_BACK_S
        found = [line for line in running.logs.past(regions, services, since=since) if instance in {None, line[0]}]
        past = [line for line in map(_read, found) if wanted.matches(line)]
        newest = len(past) if wanted.newest is None else wanted.newest
        for line in past[len(past) - min(newest, len(past)) :]:
            form.tell(line)
        if follow:
            after = max((line.at for line in past), default=time.time()) + 0.001
            for each in running.logs.followed(regions, services, since=after):
                if instance in {None, each[0]} and wanted.matches(_read(each)):
                    form.tell(_read(each))
    return 0


def _read(line: tuple[str, str, float]) -> lines.Line:
    return lines.read(*line)


def _of(regions: Regions, wanted: str | None) -> tuple[tuple[Service, ...], str | None]:
    """The services asked for, and the instance where that is what was named."""
    every = regions[0].app.services
    named = tuple(each for each in every if each.name == wanted)
    return (named, None) if named else (every, wanted)


def events(path: Path | None, *, since_s: float | None, service: str | None, follow: bool, json: bool) -> int:
    """Print what AWS decided, oldest first; with `follow`, keep printing."""
    with _asked(path) as regions:
        services = regions[0].app.services if service is None else (regions[0].service(service),)
        since = 0.0 if since_s is None else time.time() - since_s
        read = running.events.followed if follow else running.events.past
        for event in read(regions, services, since=since):
            events_verb.show(event, json=json)
    return 0


def list_releases(path: Path | None, service: str | None, *, json: bool) -> int:
    """List releases, newest first."""
    with _asked(path) as regions:
        services = regions[0].app.services if service is None else (regions[0].service(service),)
        found = [one for region in regions for each in services for one in running.releases.made(region, each)]
    releases.show(found, json=json)
    return 0


def rollback(path: Path | None, service: str, release: int | None) -> int:
    """Roll out an earlier release again, in every region, and wait."""
    with _asked(path) as regions:
        for region in regions:
            done = running.releases.rollback(region, region.service(service), release, say=talk.say)
            talk.say(f"{service}: release {done['release']} serves", "bold green")
    return 0


def release(path: Path | None) -> int:
    """Send the working copy to the pipeline, and wait for build, test and rollout."""
    file = find_file(path)
    with _asked(file) as regions:
        running.upload.release(regions[0], file.parent, say=talk.say)
    talk.say("released", "bold green")
    return 0


def set_capacity(path: Path | None, wishes: list[str]) -> int:
    """Set the desired capacity of services; scaling policies stay active."""
    if not wishes:
        raise FileError("give a service and a number, such as: flyball aws scale web=3")
    with _asked(path) as regions:
        known = [each.name for each in regions[0].app.services]
        for name, desired in [scale.parsed(wish, known) for wish in wishes]:
            for region in regions:
                talk.say(running.scale(region, region.service(name), desired))
    talk.say("scaling policies stay active", "dim")
    return 0


def run_in(path: Path | None, wanted: str, command: list[str]) -> int:
    """Run a command in an instance; in the first region."""
    with _asked(path) as regions:
        return running.shell(regions[0], wanted, command)


@contextmanager
def _asked(path: Path | None) -> Iterator[Regions]:
    """The application's regions; what AWS refuses meanwhile is a sentence."""
    app = load(find_file(path))
    boto3_clients("sts", "us-east-1")  # says that the extra is missing, if it is
    with answering():
        yield running.there(app, boto3_clients)
