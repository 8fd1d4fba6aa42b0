"""What the dashboard says of cost: of this moment, and of what the journal knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from builders import application
from dashboard.pretend import calm
from flyball.core.model import Aws
from flyball.core.view.rows import Moment
from flyball.dashboard.past import Past
from flyball.dashboard.spending import Spending, beginnings
from flyball.prices import Use, bill, total


def test_a_day_begins_at_midnight_and_a_month_on_its_first():
    noon = datetime(2026, 3, 31, 12, 30).astimezone()
    day, month = beginnings(noon.timestamp())

    assert datetime.fromtimestamp(day).astimezone().isoformat().startswith("2026-03-31T00:00:00")
    assert datetime.fromtimestamp(month).astimezone().isoformat().startswith("2026-03-01T00:00:00")


async def test_now_today_and_this_month(runtime, app):
    calm(runtime)
    noon = datetime(2026, 3, 31, 12, 30).astimezone().timestamp()
    row = {"in_service": 3, "rps": 2.0}
    today = [Moment(noon - 60 * n, "web", row) for n in range(1, 61)]
    before = [Moment(noon - 86_400 - 60 * n, "web", row) for n in range(1, 61)]
    runtime.journal.record_history([*today, *before], resolution=60)
    spending = Spending(Past(runtime.paths.journal))
    await spending.read(noon)
    shown = spending.shown(app, runtime.view().services)
    hour = total(bill(app, Use(instance_hours={"web": 3.0}, requests=7_200)))

    assert shown["region"] == "us-east-1"
    assert shown["today"] == pytest.approx(hour)
    assert shown["month"] == pytest.approx(2 * hour)
    assert shown["hour"] == pytest.approx(
        total(bill(app, Use(instance_hours={"web": 3.0}, requests=57 * 3_600))), rel=0.01
    )
    assert shown["at_this_rate"] == pytest.approx(730 * shown["hour"])


async def test_the_journal_is_read_once_a_minute(runtime, app):
    spending = Spending(Past(runtime.paths.journal))
    await spending.read(1_000_000.0)
    minute = Moment(1_000_000.0, "web", {"in_service": 3, "rps": 0.0})
    runtime.journal.record_history([minute], resolution=60)
    await spending.read(1_000_030.0)
    early = spending.shown(app, runtime.view().services)["today"]
    await spending.read(1_000_061.0)

    assert early == 0 < spending.shown(app, runtime.view().services)["today"]


async def test_without_a_price_it_says_so(runtime, app):
    spending = Spending(Past(runtime.paths.journal))
    far = replace(application(*app.services), aws=Aws(region="ap-east-1"))

    assert "there are no prices for ap-east-1" in str(spending.shown(far, runtime.view().services)["problem"])
