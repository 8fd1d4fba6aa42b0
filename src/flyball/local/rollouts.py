"""Which release does a service run, and how did the rollout of one end? Read from the loop's state."""

from __future__ import annotations

from flyball.core.control.state import Release, ReleaseStatus, ServiceState, State


def current(state: State, service: str) -> Release | None:
    """The release that a service runs or is on its way to; None when it has none that works."""
    known = next((one for one in state.services if one.name == service), None)
    if known is None:
        return None
    building = [one for one in known.releases if one.status is ReleaseStatus.BUILDING]
    if building:
        return building[-1]
    if known.rollout is not None:
        return None if known.rollout.given_up else known.find_release(known.rollout.to_release)
    return None if known.release is None else known.find_release(known.release)


def verdict(state: State, service: str, number: int) -> str | None:
    """How the rollout of a release ended: None while it is under way, "" when it serves, else why it does not."""
    known = next((one for one in state.services if one.name == service), None)
    release = None if known is None else known.find_release(number)
    if known is None or release is None:
        return f"release {number} is not known any more"
    if release.status is ReleaseStatus.BUILD_FAILED:
        return release.message
    if release.status is ReleaseStatus.BUILDING or _under_way(known):
        return None
    if release.status is ReleaseStatus.FAILED:
        return release.message
    if release.status is ReleaseStatus.COMPLETED:
        return "" if known.release == number else f"replaced by release {known.release}"
    return None


def _under_way(known: ServiceState) -> bool:
    return known.rollout is not None and not known.rollout.given_up
