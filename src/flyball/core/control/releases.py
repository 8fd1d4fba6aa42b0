"""Which release is built, which may be rolled out, which may be gone back to?

Rule: every deploy makes a new release, also of an equal spec. It is asked to be built until the build is seen; a failed
build changes nothing else. A built release is rolled out at once; the newest wins: an older one whose build ends later
is not rolled out, and a rollout that is still under way is superseded. The last ten are remembered, and those in use.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html (the last completed
deployment is what a rollback goes to; it is not one again until it has completed again)
"""

from __future__ import annotations

from dataclasses import replace

from .observation import Deploy
from .reasons import ReasonKind
from .state import Release, ReleaseStatus, Rollout
from .turn import Turn

REMEMBERED = 10


def create(turn: Turn, deploy: Deploy) -> None:
    """A new release of the service, to be built."""
    number = turn.state.releases[-1].number + 1 if turn.state.releases else 1
    turn.put_release(
        Release(
            number=number,
            spec=deploy.spec,
            status=ReleaseStatus.BUILDING,
            created_at=turn.now,
            note=deploy.note,
        )
    )
    turn.say(
        ReasonKind.RELEASE_CREATED, f"release {number}" + (f": {deploy.note}" if deploy.note else ""), release=number
    )


def newly_built(turn: Turn) -> int | None:
    """Fold finished builds in; the number of the release to roll out now, None without."""
    ready: int | None = None
    for build in turn.seen.builds:
        release = turn.state.find_release(build.release)
        if build.service != turn.state.name or release is None or release.status is not ReleaseStatus.BUILDING:
            continue
        if build.succeeded:
            turn.put_release(replace(release, status=ReleaseStatus.BUILT))
            text = f"release {release.number} is built after {turn.now - release.created_at:.1f} s"
            turn.say(ReasonKind.BUILD_COMPLETED, text, release=release.number)
            ready = max(ready or 0, release.number)
        else:
            turn.put_release(replace(release, status=ReleaseStatus.BUILD_FAILED, message=build.message))
            text = f"build of release {release.number} failed: {build.message}; nothing else has changed"
            turn.say(ReasonKind.BUILD_FAILED, text, release=release.number)
    return ready if ready is not None and _is_newest(turn, ready) else None


def _is_newest(turn: Turn, number: int) -> bool:
    tried = (ReleaseStatus.BUILT, ReleaseStatus.COMPLETED, ReleaseStatus.FAILED)
    newest = max(release.number for release in turn.state.releases if release.status in tried)
    for release in turn.state.releases:
        if release.status is ReleaseStatus.BUILT and release.number < newest and not _rolling_out(turn, release.number):
            fail(turn, release.number, f"superseded by release {newest}")
    return number == newest


def _rolling_out(turn: Turn, number: int) -> bool:
    return turn.state.rollout is not None and turn.state.rollout.to_release == number


def fail(turn: Turn, number: int, message: str) -> None:
    """Mark a release as failed, unless a rollout of it has completed before."""
    release = turn.state.find_release(number)
    if release is not None and release.status is not ReleaseStatus.COMPLETED:
        mark(turn, number, ReleaseStatus.FAILED, message)


def mark(turn: Turn, number: int, status: ReleaseStatus, message: str = "") -> None:
    """Give a release a new status, if it is still known."""
    release = turn.state.find_release(number)
    if release is not None:
        turn.put_release(replace(release, status=status, message=message))


def home(turn: Turn, rollout: Rollout) -> int | None:
    """The release that a failed rollout goes back to: where it came from, the one that served, the last completed."""
    completed = [one.number for one in turn.state.releases if one.status is ReleaseStatus.COMPLETED]
    known = [number for number in completed if number != rollout.to_release]
    served = next((one for one in (rollout.from_release, turn.state.release) if one in known), None)
    return max(known, default=None) if served is None else served


def forget(turn: Turn) -> None:
    """Drop releases that nobody can need any more."""
    releases = turn.state.releases
    if len(releases) <= REMEMBERED:
        return
    rollout = turn.state.rollout
    used = {instance.release for instance in turn.instances.values()} | {turn.state.release}
    used |= {rollout.from_release, rollout.to_release} if rollout else set()
    last = max((one.number for one in releases if one.status is ReleaseStatus.COMPLETED), default=0)
    recent = releases[-REMEMBERED].number
    kept = tuple(
        one
        for one in releases
        if one.number >= recent or one.number in used or one.number == last or one.status is ReleaseStatus.BUILDING
    )
    if len(kept) != len(releases):
        turn.state = replace(turn.state, releases=kept)
