"""Every generated script is run with each of its commands failing in turn: the script must fail each time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aws import applications
from aws.conftest import Synth
from aws.shell import Shell, scripts

pytestmark = [pytest.mark.synth, pytest.mark.live]
MAY_FAIL = re.compile(
    r"aws ecr describe-images "  # asks whether the commit was built before; if not, it is built
    r"|aws cloudformation signal-resource "  # refused unless CloudFormation waits for it; then no signal is a failure
)


@pytest.mark.parametrize(
    "app",
    [
        applications.session_app_in_two_regions(),
        applications.forum(),
        applications.everything_on_machines(),
        applications.node_on_machines(),
        applications.images_on_fargate(),
    ],
    ids=lambda app: app.name,
)
def test_no_command_fails_unnoticed(synth: Synth, tmp_path: Path, app):
    for where, stack in synth(app).items():
        for number, script in enumerate(scripts(stack).values()):
            _unnoticed_by(Shell(tmp_path / f"{where}-{number}"), script)


def _unnoticed_by(shell: Shell, script: str) -> None:
    code, calls = shell.run(script)
    assert code == 0, calls[-1]
    for line in dict.fromkeys(calls):
        code, instead = shell.run(script, fails=(line,))
        if not MAY_FAIL.match(line):
            assert code != 0, line
            continue
        for other in dict.fromkeys(instead):
            if other not in calls:
                assert shell.run(script, fails=(line, other))[0] != 0, other
