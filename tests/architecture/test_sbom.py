"""What `bin/sbom` tells is what is installed and pinned."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

HOME = Path(__file__).parents[2]


def test_every_package_is_named_with_the_version_that_is_pinned() -> None:
    done = subprocess.run([HOME / "bin/sbom"], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    pinned = dict(line.split("==") for line in (HOME / "constraints.txt").read_text().split() if "==" in line)
    found = {one["name"]: one["version"] for one in told["components"]}

    assert told["bomFormat"] == "CycloneDX"
    assert told["metadata"]["component"]["name"] == "flyball"
    assert {"fastapi", "starlette", "rich"} <= set(found), "what it needs, and what that needs"
    assert {name: version for name, version in found.items() if pinned.get(name) != version} == {}
    refs = {"flyball", *found}
    assert {one["ref"] for one in told["dependencies"]} == refs
    assert all(set(one["dependsOn"]) <= refs for one in told["dependencies"])


def test_an_unknown_extra_is_refused() -> None:
    done = subprocess.run([HOME / "bin/sbom", "nonsense"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("there is no extra 'nonsense'; choose from: ")
