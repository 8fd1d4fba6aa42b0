"""How many connections Envoy may hold open: as many as it has file descriptors for, and no more.

Without limits an overload opens one connection to an instance for every waiting request, and Envoy (1.40) ends itself
when it runs out of descriptors. With them, clients beyond the limit are refused, and requests that an instance has no
connection for wait in Envoy, in order, where they cost a few kilobytes instead of two descriptors and a place in the
instance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flyball.core.model import Service

RESERVE = 500
"""Descriptors for Envoy itself: its files, logs, health checks and the admin interface."""

MOST_CLIENTS = 50_000
MOST_PER_INSTANCE = 500
LEAST_PER_INSTANCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """The most connections at a time: from clients to all of Envoy, and from Envoy to each instance."""

    clients: int = 10_000
    per_instance: int = MOST_PER_INSTANCE


def connections(services: Iterable[Service], *, descriptors: int) -> Connections:
    """Three fifths of the descriptors for clients, the rest for as many instances as a rollout may have at once."""
    usable = max(descriptors - RESERVE, 0)
    clients = usable * 3 // 5
    most = sum(service.deployment.most(service.capacity.max) for service in services)
    share = (usable - clients) // max(most, 1)
    return Connections(
        clients=min(clients, MOST_CLIENTS), per_instance=max(LEAST_PER_INSTANCE, min(share, MOST_PER_INSTANCE))
    )
