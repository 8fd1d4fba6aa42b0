"""Everything resolved: each field of the model, in numbers and with its unit."""

import json
from dataclasses import fields

from flyball.core.manifest import parse, resolved
from flyball.core.model import Application
from manifests import SESSION_APP, VISITOR_BOARD


def test_every_field_is_there_with_its_unit():
    found = resolved(parse(VISITOR_BOARD))
    assert list(found) == [field.name for field in fields(Application)]
    web = found["services"][0]
    assert web["health"]["interval_s"] == {"value": 5.0, "text": "5s"}
    assert web["size"]["memory_bytes"] == {"value": 536870912, "text": "512MB"}
    assert web["scaling"]["target_tracking"][0] == {
        "metric": "cpu",
        "target_value": {"value": 50.0, "text": "50%"},
        "disable_scale_in": False,
    }
    assert web["deployment"]["maximum_percent"] == {"value": 200, "text": "200%"}
    assert web["scaling"]["warmup_s"] is None
    assert found["zones"] == ["a", "b"]


def test_thresholds_have_their_metrics_unit():
    deployment = resolved(parse(SESSION_APP))["services"][0]["deployment"]
    assert [alarm["threshold"] for alarm in deployment["alarms"]] == [
        {"value": 1.0, "text": "1%"},
        {"value": 500.0, "text": "500ms"},
    ]


def test_it_is_plain_data():
    found = resolved(parse(SESSION_APP))
    assert json.loads(json.dumps(found)) == found
