"""What each service did, second by second for an hour and minute by minute for a week: the charts' data."""

from __future__ import annotations

from flyball.core.view.rows import Minutes, Moment, row_of
from flyball.core.view.views import ApplicationView

from .journal import Journal


class History:
    """Writes one row per service and tick, and one per minute."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._minutes = Minutes()

    def record(self, seen: ApplicationView, *, now: float) -> None:
        """Keep this tick."""
        rows = {service.of.name: row_of(service) for service in seen.services}
        self._journal.record_history(self._minutes.add(rows, now=now), resolution=60)
        self._journal.record_history([Moment(round(now, 2), name, row) for name, row in rows.items()])
