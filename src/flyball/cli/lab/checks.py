"""What must be true of the running application when a step is done, and what to say when it is not.

Each check looks at the application as any reader does, through `ps`, `events` and its pages, and answers with what is
missing, None if nothing is.
"""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flyball.cli.client import Control
from flyball.core.errors import FlyballError, NotRunning
from flyball.core.view.shapes import ApplicationJson, EventJson, ServiceJson

SERVICE = "web"


@dataclass(frozen=True, slots=True)
class Seen:
    """The application that runs in a directory; `since` is when the session began, in seconds since 1970."""

    directory: Path
    since: float

    def application(self) -> ApplicationJson:
        """As `ps` shows it. Raises NotRunning."""
        return Control(self.directory / "flyball.toml").application()

    def service(self) -> ServiceJson:
        """The workshop's one service. Raises NotRunning."""
        return next(one for one in self.application()["services"] if one["name"] == SERVICE)

    def events(self, *kinds: str) -> list[EventJson]:
        """Those of the session of some kinds, oldest first. Raises NotRunning."""
        told = Control(self.directory / "flyball.toml").events(since=self.since)
        return [event for event in told if event["kind"] in kinds]

    def page(self) -> tuple[int, str, str]:
        """Status, the instance that answered, and text of the first page. Raises OSError, NotRunning."""
        where = urlsplit(self.application()["url"])
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return (
                answer.status,
                answer.getheader("x-flyball-instance") or "",
                answer.read().decode(errors="replace"),
            )
        finally:
            connection.close()


Check = Callable[[Seen], str | None]


def missing(name: str, seen: Seen) -> str | None:
    """What a step has not reached yet, None if it is done."""
    try:
        return CHECKS[name](seen)
    except NotRunning:
        return None if name == "stopped" else "the application is not running: `flyball up -d` in its directory"
    except (FlyballError, OSError, http.client.HTTPException) as error:
        return f"the application could not be asked: {error}"


def one_node(seen: Seen) -> str | None:
    """One instance, and never more."""
    capacity = seen.service()["capacity"]
    if capacity["max"] != 1:
        return f"`instances` allows up to {capacity['max']}; set max = 1 in flyball.toml and run `flyball deploy`"
    return None if capacity["in_service"] == 1 else "no instance is in service yet; see `flyball logs`"


def replaced_and_kept(seen: Seen) -> str | None:
    """The first instance died, another serves, and the message is there."""
    if not seen.events("failed"):
        return "no instance has died; end one with `kill -9 PID`, where `flyball ps` shows the PID"
    if seen.service()["capacity"]["in_service"] < 1:
        return "the new instance is not in service yet"
    if "Hello from Session 1" not in seen.page()[2]:
        return "the board does not show the message `Hello from Session 1`; write it, in these words"
    return None


def endpoint_answers(seen: Seen) -> str | None:
    """The one address answers."""
    status, _, _ = seen.page()
    return None if status == 200 else f"the address answered {status} instead of 200"


def stopped(seen: Seen) -> str | None:
    """Nothing runs."""
    seen.application()
    return "the application is still running; `flyball down` stops it"


def several_serve(seen: Seen) -> str | None:
    """Three instances at one address, one of which was killed."""
    capacity = seen.service()["capacity"]
    if capacity["in_service"] < 3:
        return f"{capacity['in_service']} in service, not 3; `flyball scale web=3 --hold 3m`"
    answered = Counter(seen.page()[1] for _ in range(12))
    if len(answered) < 2:
        return f"only {', '.join(answered)} answered; several instances should"
    return None if seen.events("failed") else "none of the three was killed; end one with `kill -9 PID`"


def second_release(seen: Seen) -> str | None:
    """A later release serves, and nothing of an older one."""
    service = seen.service()
    if service["rollout"] is not None:
        return "the rollout is not finished yet"
    if (service["release"] or 0) < 2:
        return "release 1 still serves; change something and `flyball deploy web`"
    old = [one["id"] for one in service["instances"] if one["release"] != service["release"]]
    return f"{', '.join(old)} of an older release is still there" if old else None


def loop_seen(seen: Seen) -> str | None:
    """The policy added instances; afterwards it removed them, or said why it waits."""
    out = seen.events("scale_out")
    if not out:
        return "the policy has not scaled out; send more load: `flyball load --rate 600 --for 20s`"
    later = [one for one in seen.events("scale_in", "held") if one["at"] > out[-1]["at"]]
    return None if later else "nothing was decided since the scale-out; wait for 15 datapoints"


CHECKS: dict[str, Check] = {
    "one-node": one_node,
    "replaced-and-kept": replaced_and_kept,
    "endpoint-answers": endpoint_answers,
    "stopped": stopped,
    "several-serve": several_serve,
    "second-release": second_release,
    "loop-seen": loop_seen,
}
