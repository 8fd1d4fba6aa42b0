"""The return of a region that was away for long: it has few instances, so its visitors come back little by little.

A region is away while it fails its health check and another one passes it. One that was away for a moment still has
the instances that its visitors need, and gets them back at once. The times are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping

from flyball.core.returning import LONG_AWAY_S, share_back


class Returning:
    """Who is away, and who is on the way back, which takes `over_s`."""

    def __init__(self, over_s: float) -> None:
        self.over_s = over_s
        self._away: dict[str, float] = {}
        self._back: dict[str, float] = {}

    def is_new(self, region: str) -> None:
        """It has never had visitors: as one that was away for long."""
        self._away[region] = float("-inf")

    def see(self, health: Mapping[str, str], *, now: float) -> list[str]:
        """How the regions are now; those that begin to come back."""
        served = [name for name, one in health.items() if one == "healthy"]
        begins = []
        for name, one in health.items():
            if one != "healthy" and set(served) - {name}:
                since = now - LONG_AWAY_S if self._back.pop(name, None) is not None else now
                self._away.setdefault(name, since)
            elif one == "healthy" and now - self._away.pop(name, now) >= LONG_AWAY_S and self.over_s > 0:
                self._back[name] = now
                begins.append(name)
        return begins

    def shares(self, *, now: float) -> dict[str, int]:
        """How many percent of its visitors a region gets; without those that get all of them."""
        self._back = {name: began for name, began in self._back.items() if now - began < self.over_s}
        long_away = {name: 0 for name, since in self._away.items() if now - since >= LONG_AWAY_S and self.over_s > 0}
        return long_away | {name: share_back(self.over_s, now - began) for name, began in self._back.items()}

    def forget(self, region: str) -> None:
        """It is no longer there."""
        self._away.pop(region, None)
        self._back.pop(region, None)
