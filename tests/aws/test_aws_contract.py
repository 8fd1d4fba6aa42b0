"""What a program sees on AWS is what it sees here: the generated start scripts run, and the program tells."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aws import applications
from aws.conftest import Synth
from aws.shell import PLACES, REFERENCE, Shell, scripts
from aws.template import text
from flyball.aws import image
from flyball.aws.image import COMMAND, START
from flyball.aws.names import logical
from flyball.core.model import Application, Compute
from flyball.local.process.environments import environment, run_command

pytestmark = [pytest.mark.synth, pytest.mark.live]
RUN = r"""tell --port $PORT '$PORT' "${FLYBALL_SERVICE}x" $$ '$$PORT' a$$b 'two words' '`id`' "\\" $MODE '$(id)'"""
OWN = (("MODE", 'a "quoted" $value \\ `#x'),)
TELL = """\
#!{python}
import json, os, sys
with open("{out}", "w") as file:
    json.dump([sys.argv[1:], dict(os.environ)], file)
"""
HERE_ONLY = {"FLYBALL_APPLICATION_ID"}
THERE_ONLY = {"AWS_REGION", "FLYBALL_HEALTH", "GRANIAN_HOST", "UVICORN_HOST"}
SAME = ("FLYBALL_APPLICATION", "FLYBALL_SERVICE", "FLYBALL_ZONE", "MODE", "PYTHONUNBUFFERED")
Seen = tuple[list[str], dict[str, str]]


def telling(app: Application) -> Application:
    first, *others = app.services
    return replace(app, services=(replace(first, run=RUN, environment=OWN, build=None), *others))


def here(app: Application, root: Path) -> Seen:
    """The arguments and variables that `flyball up` gives the first service."""
    service = app.services[0]
    variables = environment(
        port=8000, instance=f"{service.name}-1", application=app.name, application_id="1", service=service.name,
        release=1, zone="b", url="http://127.0.0.1:8080", own=dict(service.environment), directory=root,
        stores={app.store(name).variable: "redis://here" for name in service.stores},
    )  # fmt: skip
    (root / ".venv/bin").mkdir(parents=True)
    program(root / ".venv/bin/tell", root / "unused")
    return run_command(service.run, directory=root, environment=variables)[1:], variables


def program(path: Path, out: Path) -> None:
    path.write_text(TELL.format(python=sys.executable, out=out), encoding="utf-8")
    path.chmod(0o755)


def compare(seen: Seen, expected: Seen) -> None:
    """The same variables, apart from those documented as of one world; the same words, with the port of each world."""
    (words, variables), (wanted, ours) = seen, expected
    port = variables["PORT"]
    assert [word.replace(port, "PORT") for word in words] == [word.replace(ours["PORT"], "PORT") for word in wanted]
    contract = {name for name in ours if name.startswith("FLYBALL_") or name.endswith("_URL")} | {"PORT", "HOST", *SAME}
    assert contract - HERE_ONLY <= variables.keys()
    given = {name for name in variables if name.startswith(("FLYBALL_", "AWS_")) or name.endswith(("_URL", "_HOST"))}
    assert given <= contract | THERE_ONLY
    assert {name: variables[name] for name in SAME} == {name: ours[name] for name in SAME}
    assert variables["FLYBALL_INSTANCE"] in {"i-0abc", "0123abcd"}
    assert variables["FLYBALL_RELEASE"] == "0123456789ab"


def read_by_systemd(file: str) -> dict[str, str]:
    """An EnvironmentFile: systemd leaves `$` alone; in double quotes a backslash escapes `"`, `\\`, `$`, backquote."""
    found = {}
    for line in file.splitlines():
        name, value = line.split("=", 1)
        quoted = re.fullmatch(r'"(.*)"', value)
        found[name] = re.sub(r'\\(["\\`$])', r"\1", quoted[1]) if quoted else value
    return found


def test_a_machine_runs_what_flyball_up_runs(synth: Synth, tmp_path: Path):
    app = telling(applications.session_app())
    script = scripts(synth(app)["session-app-us-east-1"])["AppLaunchTemplate"]
    shell = Shell(tmp_path / "machine")
    code, _ = shell.run(script)
    assert code == 0
    (tmp_path / "release").mkdir()
    program(shell.root / "bin/tell", tmp_path / "seen")
    unit = (shell.root / "etc/systemd/system/instance.service").read_text(encoding="utf-8")
    path = re.search(r"^Environment=PATH=(.*)$", unit, re.MULTILINE)
    assert path is not None
    assert f"{shell.root}/opt/application/.venv/bin:{shell.root}/opt/application/node_modules/.bin" in path[1]
    variables = read_by_systemd((shell.root / "etc/instance.env").read_text(encoding="utf-8"))
    subprocess.run(
        [shell.root / "opt/start"], env={**variables, "PATH": f"{shell.root}/bin:{path[1]}"}, check=True, timeout=30
    )
    compare(json.loads((tmp_path / "seen").read_text(encoding="utf-8")), here(app, tmp_path / "release"))


@pytest.fixture
def metadata() -> Iterator[str]:
    """ECS's metadata endpoint of one task."""

    class Task(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/v4/task" else 404)
            self.end_headers()
            arn = "arn:aws:ecs:us-east-1:123456789012:task/forum/0123abcd"
            self.wfile.write(json.dumps({"TaskARN": arn, "AvailabilityZone": "zone1"}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Task)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v4"
    server.shutdown()
    server.server_close()


BUSYBOX = """\
#!{python}
import os, sys, urllib.request

name, *words = sys.argv[1:]
if name == "wget":
    sys.stdout.buffer.write(urllib.request.urlopen(words[-1], timeout=10).read())
else:
    os.execvp(name, [name, *words])
"""


def around(root: Path, image: dict[str, Any]) -> Path:
    """The script of the layer around an image, as the pipeline writes it, with this machine's shell."""
    busybox, start = root / "flyball/busybox", root / "flyball/start"
    start.parent.mkdir()
    busybox.write_text(BUSYBOX.format(python=sys.executable), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND], input=json.dumps(image), capture_output=True, text=True, check=True
    )
    script = (START + done.stdout).replace("#!/flyball/busybox sh", "#!/bin/sh")
    start.write_text(script.replace("/flyball/", f"{root}/flyball/"), encoding="utf-8")
    for each in (busybox, start):
        each.chmod(0o755)
    return start


def test_a_task_runs_what_flyball_up_runs(synth: Synth, tmp_path: Path, metadata: str):
    app = telling(applications.forum())
    assert app.aws is not None
    assert app.aws.compute is Compute.FARGATE
    service, root = app.services[0], tmp_path / "image"
    (root / "bin").mkdir(parents=True)
    (tmp_path / "release").mkdir()
    program(root / "bin/tell", tmp_path / "seen")
    dockerfile = image.dockerfile(service)
    write = dockerfile[dockerfile.index("RUN printf ") + 4 : dockerfile.index("\n\nFROM")].replace("\\\n", " ")
    subprocess.run(["/bin/sh", "-c", write.replace("/start", f"{root}/start")], check=True, timeout=30)
    container = synth(app)["forum-us-east-1"].named(logical(service.name, "Task"))["ContainerDefinitions"][0]
    assert "EntryPoint" not in container
    variables = {each["Name"]: REFERENCE.sub(r"\1", text(each["Value"])) for each in container["Environment"]}
    image_variables = {"FLYBALL_RELEASE": "0123456789ab", "PATH": f"{root}/bin:{os.environ['PATH']}"}
    layer = around(root, {"Entrypoint": [f"{root}/start"], "Cmd": None})
    command = [str(layer), *(REFERENCE.sub(r"\1", text(word)) for word in container["Command"])]
    env = {**variables, **image_variables, "ECS_CONTAINER_METADATA_URI_V4": metadata}
    subprocess.run(command, env=env, check=True, timeout=30)
    compare(json.loads((tmp_path / "seen").read_text(encoding="utf-8")), here(app, tmp_path / "release"))
    env["ECS_CONTAINER_METADATA_URI_V4"] = metadata.replace("v4", "v3")
    assert subprocess.run(command, env=env, capture_output=True, check=False, timeout=30).returncode != 0
    assert PLACES.search(START) is None
