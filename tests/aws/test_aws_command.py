"""`flyball aws …` as functions, with and without the extra, and the limits of what a machine is given."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aws import applications
from aws.conftest import Synth
from aws.template import text
from flyball import aws
from flyball.core.errors import Failed

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "apps" / "visitor-board" / "flyball.toml"
LARGEST_USER_DATA = 16_384


def run(*lines: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        environment.pop(name, None)
    nowhere = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    program = "\n".join(("from pathlib import Path", "from flyball.cli import aws", *lines))
    return subprocess.run(
        [sys.executable, "-c", program], env={**environment, **nowhere}, capture_output=True, text=True, check=False
    )


def test_a_home_that_cannot_be_written_is_no_hindrance(synth: Synth, tmp_path: Path):
    synth(applications.forum())
    done = run(
        "import os",
        "os.environ['HOME'] = os.devnull",
        f"raise SystemExit(aws.synth(Path({str(BOARD)!r}), Path({str(tmp_path)!r})))",
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("*.template.json"))


def test_a_home_that_cannot_be_looked_into_is_one_that_cannot_be_written(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir(mode=0)
    done = run(
        "import os",
        "from flyball.aws import node",
        "if os.getuid() == 0: os.setuid(65534)  # for root, everything can be written",
        f"print(node.writable(Path({str(home / '.cache')!r})))",
    )
    assert done.stdout == "False\n", done.stderr


def test_without_the_extra_the_way_to_it_is_named(tmp_path: Path):
    if importlib.util.find_spec("aws_cdk") is not None:
        pytest.skip("the extra `aws` is installed")
    with pytest.raises(Failed, match=r"uv pip install 'flyball\[aws\]'"):
        aws.synth(applications.forum(), tmp_path, source=ROOT / "apps" / "forum")


@pytest.mark.synth
def test_synth_names_what_it_wrote_and_how_far_that_goes(synth: Synth, tmp_path: Path):
    synth(applications.forum())
    done = run(f"raise SystemExit(aws.synth(Path({str(BOARD)!r}), Path({str(tmp_path)!r})))")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "visitor-board-eu-north-1.template.json")]
    assert done.stderr.splitlines()[-1] == "synthesized and linted, not deployed"


@pytest.mark.synth
def test_without_credentials_nothing_happens(synth: Synth):
    synth(applications.forum())
    done = run(
        "from flyball.core.errors import Failed",
        "for verb in (aws.diff, aws.deploy, aws.destroy):",
        f"    try: verb(Path({str(BOARD)!r}))",
        "    except Failed as told: print(told)",
    )
    told = done.stdout.splitlines()
    assert len(told) == 3, done.stderr
    assert all(line.startswith("no AWS credentials: sign in with") for line in told)


@pytest.mark.synth
def test_user_data_fits_into_what_a_machine_takes(synth: Synth):
    for app in (applications.visitor_board(), applications.session_app(), applications.everything_on_machines()):
        for stack in synth(app).values():
            for template in stack.all("EC2::LaunchTemplate").values():
                script = text(template["LaunchTemplateData"]["UserData"])
                assert len(script.encode()) < LARGEST_USER_DATA - 1024
