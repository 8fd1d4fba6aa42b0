"""Which release does a service run, and how did the rollout of one end?

Rule: what became of a release is heard, not looked for: the journal's reasons, in their order, say everything, while
two looks at the state may miss what was between them. A release serves when its rollout, or the rollback to it, has
completed. It does not when its build failed, when another rollout begins before its own has ended (a newer one even
before its own has begun), or when its rollout failed; then the verdict waits for what comes of the way back.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Deployment.html (rolloutState and its reason)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .reasons import Reason, ReasonKind
from .state import Release, ReleaseStatus, State


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A release that is waited for (None: whichever is rolled out), and what was heard of its service so far.

    `verdict`: None while it is open, "" when the release serves, else why it does not. `cause` is the reason that ended
    it badly, `why` the newest sentence of it; `returning`: the way back has begun. `going` is the release that the
    rollout under way goes to. `failure` is the instance that failed last, `failures` how many did in a row.
    """

    release: int | None
    verdict: str | None = None
    cause: Reason | None = None
    why: str = ""
    returning: bool = False
    going: int | None = None
    failure: Reason | None = None
    failures: int = 0

    @property
    def failing(self) -> str | None:
        """The name of the instance that failed last."""
        return None if self.failure is None else self.failure.instance


def heard(awaited: Awaited, reason: Reason) -> Awaited:
    """What is known after one more reason of the service."""
    if awaited.verdict is not None:
        return awaited
    match reason.kind:
        case ReasonKind.FAILED if reason.instance is not None:
            return replace(awaited, failure=reason, failures=awaited.failures + 1)
        case ReasonKind.IN_SERVICE:
            return replace(awaited, failures=0)
        case ReasonKind.BUILD_FAILED if _is_meant(awaited, reason):
            return replace(awaited, verdict=reason.text, cause=reason)
        case ReasonKind.ROLLOUT_STARTED:
            return _started(awaited, reason.release)
        case ReasonKind.ROLLOUT_FAILED | ReasonKind.ROLLBACK_FAILED if awaited.returning or _is_meant(awaited, reason):
            return replace(awaited, cause=awaited.cause or reason, why=reason.text, returning=False)
        case ReasonKind.REFUSED if awaited.cause is not None and not awaited.returning and reason.release is not None:
            return replace(awaited, verdict=awaited.why)  # it is not rolled back
        case ReasonKind.ROLLED_BACK | ReasonKind.ROLLOUT_COMPLETED:
            return _completed(awaited, reason)
    return awaited


def _is_meant(awaited: Awaited, reason: Reason) -> bool:
    return awaited.release in {None, reason.release}


def _started(awaited: Awaited, number: int | None) -> Awaited:
    if awaited.cause is not None:
        # The first rollout after a failure is the way back; another one ends that.
        return replace(awaited, verdict=awaited.why if awaited.returning else None, returning=True)
    wanted = awaited.release
    replaced = wanted is not None and number is not None and (number > wanted or (number < wanted == awaited.going))
    if replaced:
        return replace(awaited, verdict=f"release {wanted} was replaced by release {number}")
    return replace(awaited, going=number)


def _completed(awaited: Awaited, reason: Reason) -> Awaited:
    if awaited.cause is not None:
        return replace(awaited, verdict=reason.text)
    back = reason.kind is ReasonKind.ROLLED_BACK  # it names the release that is left
    serves = awaited.release is not None and awaited.release == (awaited.going if back else reason.release)
    return replace(awaited, verdict="") if serves else awaited
