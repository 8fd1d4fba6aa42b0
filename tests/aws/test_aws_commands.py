"""The start script does what `flyball up` does with a command line; without CDK."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aws import applications
from flyball.aws import buildspec, image
from flyball.aws.commands import PLACEHOLDER, VARIABLE, shell_words, start_script
from flyball.aws.cron import aws_cron
from flyball.aws.image import COMMAND

ENVIRONMENT = {"PORT": "80", "NAME": 'a "b" $c'}
WORDS = (
    "serve",
    "--port",
    "$PORT",
    "${NAME}",
    "*",
    ";",
    "&& rm",
    "`id`",
    "$(id)",
    "\\",
    "'",
    "$$",
    '"$PORT"',
    "a=$PORT/x",
)


def read_by_sh(line: str) -> list[str]:
    """The words that `sh` hands to a program."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\0' {line}"], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


def read_by_flyball(run: str) -> list[str]:
    """The words that `flyball up` hands to the program: split, variables filled in, nothing else."""

    def fill(word: str) -> str:
        return VARIABLE.sub(
            lambda found: "$" if found.group() == "$$" else ENVIRONMENT.get(found.group().strip("${}"), ""), word
        )

    return [fill(word) for word in shlex.split(run)]


@pytest.mark.parametrize(
    "run",
    [
        "serve --port $PORT",
        "serve --bind 0.0.0.0:${PORT}",
        "serve 'two words' --name=$NAME",
        "serve * ? ; && || > out",
        "serve \"$(id)\" `id` '$(id)'",
        "serve \\$PORT",
        "serve ''",
        "serve $$ '$$PORT' a$$b $$$PORT $$(id)",
    ],
)
def test_sh_hands_on_the_same_words(run: str):
    assert read_by_sh(shell_words(run)) == read_by_flyball(run)


@settings(max_examples=40)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
def test_sh_hands_on_the_same_words_whatever_they_are(words: list[str]):
    run = " ".join(shlex.quote(word) for word in words)
    assert read_by_sh(shell_words(run)) == read_by_flyball(run)


def test_the_script_becomes_the_program():
    service = applications.visitor_board().services[0]
    script = start_script(service)
    assert script.splitlines()[0] == "#!/bin/sh"
    assert script.splitlines()[-1] == f"exec {shell_words(service.run)}"
    assert 'exec granian --interface wsgi --port "$PORT" ' in script


def test_the_placeholder_is_python():
    compile(PLACEHOLDER, "placeholder", "exec")


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 8 * * *", "0 8 * * ? *"),
        ("*/15 8-18 * * 1-5", "*/15 8-18 ? * MON,TUE,WED,THU,FRI *"),
        ("0 0 1 1 *", "0 0 1 1 ? *"),
        ("0 9 * * 0", "0 9 ? * SUN *"),
        ("0 9 * * 7", "0 9 ? * SUN *"),
        ("0 9 * * 5-7", "0 9 ? * FRI,SAT,SUN *"),
        ("0 9 * * mon,wed", "0 9 ? * MON,WED *"),
        ("0 9 * * */2", "0 9 ? * SUN,TUE,THU,SAT *"),
        ("0 9 * * fri-mon", "0 9 ? * FRI,SAT,SUN,MON *"),
    ],
)
def test_cron_in_awss_words(cron: str, expected: str):
    assert aws_cron(cron) == expected


@pytest.mark.parametrize("cron", ["0 9 1 * 1", "0 9 * *", "0 9 * * * *"])
def test_what_aws_cannot_say_is_refused(cron: str):
    with pytest.raises(ValueError, match=r"fields|combine"):
        aws_cron(cron)


def test_dockerfile_is_two_stages_pinned_and_nobody():
    lines = image.dockerfile(applications.forum().services[0]).splitlines()
    bases = [line for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2
    assert all(f":{image.PYTHON}-slim-bookworm" in base for base in bases)
    assert "USER 10001:10001" in lines
    assert 'ENTRYPOINT ["/start"]' in lines
    assert "RUN uv venv && uv pip install -r requirements.txt" in lines
    assert 'VOLUME ["/tmp"]' in lines


def test_the_images_start_script_is_the_start_script(tmp_path):
    service = replace(applications.forum().services[0], run="sh -c 'echo it'\\''s $PORT' \"a\\\\b\"")
    text = image.dockerfile(service)
    command = text[text.index("RUN printf ") + 4 : text.index(" > /start")].replace("\\\n", " ")
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == start_script(service)


def test_build_and_test_run_before_anything_is_stored():
    app = applications.forum()
    services = tuple(replace(service, test="pytest -q") for service in app.services)
    places = {s.name: [("us-east-1", "1/r")] for s in services}
    text = buildspec.for_release(replace(app, services=services), places, [], tasks=True)
    assert text.index("pytest -q") < text.index("docker build") < text.index("docker push")


def test_a_build_that_fails_on_machines_fails_before_them():
    app = applications.visitor_board()
    text = buildspec.for_release(app, {}, [("eu-north-1", "bucket")], tasks=False)
    assert text.index("uv venv && uv pip install") < text.index("tar --create") < text.index("aws s3 cp")


def test_services_of_one_source_build_apart_and_leave_it_clean(tmp_path: Path):
    app = applications.forum()
    (tmp_path / "app.py").write_text("", encoding="utf-8")
    service = replace(app.services[0], source=".", build="mkdir .venv", test="touch tested")
    several = [replace(service, name=name) for name in ("one", "two")]
    script = "\n".join(["set -eu", *(line for each in several for line in buildspec.checks(each))])
    script = script.replace("/tmp/check-", f"{tmp_path}-")
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["app.py"]


def test_a_commit_gives_one_release_however_often_it_is_built():
    app = applications.forum()
    text = buildspec.for_release(app, {s.name: [("us-east-1", "h/forum/x")] for s in app.services}, [], tasks=True)
    assert text.index("describe-images") < text.index("docker build")


@pytest.mark.parametrize(
    ("version", "release"),
    [("0123456789abcdef0123", "0123456789ab"), ("3/L4kq_tJ+lcp.XroDTDmJ", "3L4kqtJlcpXr")],
    ids=["commit", "upload"],
)
def test_a_release_is_named_after_its_commit_or_its_upload(version: str, release: str):
    script = f'{buildspec.RELEASE}; printf %s "$RELEASE"'
    environment = {**os.environ, "CODEBUILD_RESOLVED_SOURCE_VERSION": version}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == release


@pytest.mark.parametrize(
    ("image", "line"),
    [
        ({"Entrypoint": ["/server"], "Cmd": ["--port", "a b"]}, "exec /server --port 'a b'"),
        ({"Entrypoint": None, "Cmd": ["sh", "-c", "serve $PORT"]}, "exec sh -c 'serve $PORT'"),
    ],
)
def test_an_image_starts_what_it_starts_by_itself(image: dict[str, object], line: str):
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], input=json.dumps(image), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{line}\n"


BUSYBOX = """\
#!/bin/sh
line="$*"
case "$FAILS" in *"$line"*) exit 1 ;; esac
printf '%s\\n' "$line" >> "$CALLS"
case "$1" in
  wget) echo '{"TaskARN": "arn:aws:ecs:x:1:task/shop/abc", "AvailabilityZone": "zone1"}' ;;
  *) exec "$@" ;;
esac
"""


def test_an_instance_that_cannot_find_out_who_it_is_does_not_start(tmp_path: Path):
    """The layer around an image, with each of its commands failing in turn."""
    busybox, calls = tmp_path / "busybox", tmp_path / "calls"
    busybox.write_text(BUSYBOX, encoding="utf-8")
    busybox.chmod(0o755)
    script = image.START.replace("/flyball/busybox", str(busybox)) + 'echo "$FLYBALL_INSTANCE in $FLYBALL_ZONE"\n'

    def run(fails: str) -> tuple[int, str]:
        env = {
            "CALLS": str(calls),
            "FAILS": fails,
            "ECS_CONTAINER_METADATA_URI_V4": "http://x",
            "PATH": "/bin:/usr/bin",
        }
        words = ["/bin/sh", "-c", script, "start", "zone1=a"]
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert run("nothing") == (0, "abc in a\n")
    lines = calls.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    for line in lines:
        code, said = run(line)
        assert (code != 0, said) == (True, ""), line


def test_an_image_that_starts_nothing_fails_the_build():
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], input='{"Env": []}', capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "neither ENTRYPOINT nor CMD" in done.stderr


def test_archives_leave_the_git_directory_and_environments_out():
    text = buildspec.for_release(applications.visitor_board(), {}, [("eu-north-1", "bucket")], tasks=False)
    assert "--exclude=./.git --exclude=./.venv" in text
    assert '"s3://bucket/web/$RELEASE.tar.gz"' in text
