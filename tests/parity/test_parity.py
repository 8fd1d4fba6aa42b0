"""No field of the model is silent in any world."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest

from aws import applications
from flyball import parity
from flyball.core import model
from flyball.core.model import HealthCheck, Listener, Scaling, Service

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "parity.md"


def model_fields() -> set[tuple[str, str]]:
    classes = [getattr(model, name) for name in model.__all__]
    return {
        (each.__name__, field.name)
        for each in classes
        if dataclasses.is_dataclass(each)
        for field in dataclasses.fields(each)
    }


def test_every_field_of_every_class_has_one_row():
    rows = [(row.model, row.field) for row in parity.ROWS]
    assert set(rows) == model_fields()
    assert len(rows) == len(set(rows))


def test_every_refusal_has_a_reason_and_every_honour_a_place():
    for row in parity.ROWS:
        for world in parity.World:
            verdict = row.verdicts[world]
            said = verdict.reason if isinstance(verdict, parity.Refused) else verdict.where
            assert said.strip(), row


@pytest.mark.parametrize("app", [applications.visitor_board(), applications.session_app(), applications.forum()])
def test_the_reference_applications_lose_nothing_on_aws(app: model.Application):
    """On EC2 an instance is a whole machine, whatever its share is here."""
    lost = [line for line in parity.unhonoured(app, parity.world_on_aws(app)) if ".size." not in line]
    assert lost == []
    assert app.name != "forum" or parity.unhonoured(app, parity.World.FARGATE) == ()


def test_a_value_that_aws_does_not_honour_is_named_with_place_value_and_reason():
    app = applications.visitor_board()
    web = replace(app.services[0], scaling=Scaling(scale_in_cooldown_s=60.0))
    found = parity.unhonoured(replace(app, services=(web,), listener=Listener(port=9000)), parity.World.EC2)
    assert [line.split(": ")[0] for line in found] == [
        "services.web.scaling.scale_in_cooldown_s = 1m",
        "listener.port = 9000",
    ]


def test_a_period_that_aws_has_is_accepted():
    app = applications.forum()
    for period, world, good in ((20.0, "fargate", True), (60.0, "ec2", True), (20.0, "ec2", False)):
        service = replace(app.services[0], scaling=Scaling(period_s=period))
        found = parity.unhonoured(replace(app, services=(service,)), parity.World(world))
        assert (found == ()) is good, (period, world, found)


def test_what_only_aws_has_is_refused_here():
    app = applications.session_app()
    found = parity.unhonoured(app, parity.World.LOCAL)
    assert any(line.startswith("stores.uploads.archive_after_s = 90d: ") for line in found)


def test_defaults_are_never_reported():
    bare = Service(name="web", run="serve", health=HealthCheck())
    app = replace(applications.forum(), services=(bare,), stores=())
    assert parity.unhonoured(app, parity.World.FARGATE) == ()


def test_the_page_is_written_from_the_table():
    assert parity.markdown() in PAGE.read_text(encoding="utf-8"), (
        "write docs/explanation/parity.md from parity.markdown()"
    )
