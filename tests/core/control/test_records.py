"""What is written down is read again as the same value; anything else is a ValueError."""

from __future__ import annotations

import pytest

from builders import application, instance, release, seen, service, state, tracking
from flyball.core.control import records
from flyball.core.control.actions import Build, Launch, Terminate
from flyball.core.control.reasons import Reason, ReasonKind
from flyball.core.view import as_json


def test_values_are_read_as_they_were_written():
    app, now, look = application(service(scaling=tracking())), state(instance()), seen(instance(), sampled=True)
    spec = release().spec
    actions = (
        Build(service="web", release=1, spec=spec),
        Launch(instance="web-1", service="web", release=1, zone="a", spec=spec),
        Terminate(instance="web-2", force=True),
    )
    assert records.APPLICATION.read(records.APPLICATION.written(app)) == app
    assert records.STATE.read(records.STATE.written(now)) == now
    assert records.OBSERVATION.read(records.OBSERVATION.written(look)) == look
    assert records.ACTIONS.read(records.ACTIONS.written(actions)) == actions


def test_an_event_is_a_row():
    reason = Reason(
        kind=ReasonKind.SCALE_OUT, service="web", text="why", before=1, after=3, instance="web-1", release=2
    )
    event = records.event_of(7, records.event_row(reason, at=3.5))
    assert (event.id, event.at, event.reason) == (7, 3.5, reason)


def test_an_event_of_the_edge_names_its_region():
    reason = Reason(kind=ReasonKind.REGION_UNHEALTHY, service="", text="why", region="eu-west-1")
    event = records.event_of(7, records.event_row(reason, at=3.5))
    assert event.reason == reason
    told = as_json.event(event)
    assert (told["region"], told["instance"]) == ("eu-west-1", None)


@pytest.mark.parametrize("read", [records.STATE.read, records.OBSERVATION.read])
def test_what_is_broken_cannot_be_read(read):
    with pytest.raises(ValueError, match="incorrect header"):
        read(b"no")
