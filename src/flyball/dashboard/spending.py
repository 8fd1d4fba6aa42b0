"""What the application would cost on AWS: at this moment by the hour, and since midnight and the first of the month.

Only the time that the journal knows is paid for: here the application is not there while `up` does not run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from flyball.core.errors import FlyballError
from flyball.core.model import Application
from flyball.core.view.views import ServiceView
from flyball.local.face import Spell
from flyball.prices import HOURS, Use, bill, spread, total

from .past import Past

EVERY_S = 60.0  # the journal gets a row each minute


def use_of(spells: Mapping[str, Spell]) -> Use:
    """What all services did together."""
    return Use(
        hours=max((one.minutes for one in spells.values()), default=0) / 60,
        instance_hours={name: one.instance_minutes / 60 for name, one in spells.items()},
        requests=sum(one.requests for one in spells.values()),
    )


def beginnings(now: float) -> tuple[float, float]:
    """The last midnight, and the first of the month, in this machine's time."""
    local = datetime.fromtimestamp(now, tz=UTC).astimezone()
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    # Counted in days of the calendar: where clocks change, a day has 23 or 25 hours.
    first = (day.replace(tzinfo=None) - timedelta(days=day.day - 1)).astimezone()
    return day.replace(tzinfo=None).astimezone().timestamp(), first.timestamp()


class Spending:
    """The figures of one application, read from the journal once a minute."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._read_at = 0.0
        self._today, self._month = Use(hours=0.0, instance_hours={}), Use(hours=0.0, instance_hours={})

    async def read(self, now: float) -> None:
        """Read what is new; what cannot be read stays as it was."""
        if now - self._read_at < EVERY_S:
            return
        self._read_at = now
        day, month = beginnings(now)
        with contextlib.suppress(FlyballError):
            self._today, self._month = await self._past.ask(
                lambda journal: (use_of(journal.spells(day)), use_of(journal.spells(month)))
            )

    def shown(self, app: Application, services: tuple[ServiceView, ...]) -> dict[str, object]:
        """Dollars, or the `problem` that there is no price."""
        rates = [one.metrics.requests_per_s or 0.0 for one in services]
        now = Use(
            instance_hours={one.of.name: float(len(one.instances)) for one in services}, requests=sum(rates) * 3_600
        )
        try:
            hour, today, month = (total(bill(app, use)) for use in (now, self._today, self._month))
        except FlyballError as error:
            return {"problem": str(error)}
        where = ", ".join(spread(app))
        return {"region": where, "hour": hour, "at_this_rate": hour * HOURS, "today": today, "month": month}
