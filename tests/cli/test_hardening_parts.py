"""Small promises of the command line that were once broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flyball.cli.down import without_files
from flyball.cli.logs import of_instances
from flyball.cli.waiting import GIVE_UP, until_settled
from flyball.core.manifest import parse
from flyball.local.paths import StateDirectory
from manifests import one_service


def failed(number: int) -> dict[str, Any]:
    reason = f"web-{number} exited with code 1: no flux"
    why = {"service": "web", "kind": "failed", "instance": f"web-{number}", "release": 1, "reason": reason}
    return {"id": number, "at": 0.0, "from": None, "to": None, **why}


def application(in_service: int) -> dict[str, Any]:
    capacity = {"min": 1, "in_service": in_service}
    return {
        "last_event": 0,
        "services": [{"name": "web", "release": 1, "building": None, "rollout": None, "capacity": capacity}],
    }


def test_what_fails_for_ever_is_not_waited_for(tmp_path: Path) -> None:
    paths = StateDirectory(tmp_path)
    paths.logs.mkdir(parents=True)
    (paths.logs / f"web-{GIVE_UP}.log").write_text("no flux\n")
    events = (failed(number) for number in range(1, 100))
    outcome = until_settled(events, lambda: application(0), paths, services={"web": None})

    assert outcome.failure is not None
    assert f"web-{GIVE_UP} exited with code 1" in outcome.failure
    assert outcome.lines == ("no flux",)


def test_logs_of_services_with_such_names_are_shown(tmp_path: Path) -> None:
    wanted = ["accessory-1", "build-2", "controller-3", "store-front-4", "web-10"]
    for name in [*wanted, "access", "control", "envoy", "store-cache", "build-web-1", "pipeline-3-test"]:
        (tmp_path / f"{name}.log").write_text("")

    assert [log.stem for log in of_instances(tmp_path, None)] == wanted


def test_an_application_behind_a_link_is_the_same(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    through = StateDirectory(tmp_path / "link" / ".flyball")

    assert through.application_id("tiny") == StateDirectory(real / ".flyball").application_id("tiny")


def test_down_needs_no_set_of_rules_that_may_be_gone() -> None:
    more = '[listener.firewall]\ndeny = "127.0.9.0/24"\nrules = { set = "owasp-crs", path = "gone" }\n'
    firewall = without_files(parse(one_service("routes = ['/']", more))).listener.firewall
    assert firewall.core_rules is None
    assert firewall.deny == ("127.0.9.0/24",)  # it still counts while the last requests are answered
