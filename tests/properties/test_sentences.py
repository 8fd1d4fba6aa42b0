"""Every sentence that a step says is known here, and every number in it is that of the state it speaks of."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import Phase, given, settings

from flyball.core.control.breaker import threshold
from flyball.core.control.observation import Observation
from flyball.core.control.reasons import Reason
from flyball.core.control.releases import REMEMBERED
from flyball.core.control.state import Instance, State
from flyball.core.control.step import Step
from flyball.core.control.windows import Windows
from flyball.core.model import Metric, Service
from properties.test_step_properties import applications, histories, live
from scenarios.pretend import PretendWorld


@dataclass(frozen=True, kw_only=True)
class Said:
    """A sentence, and all that it may speak of."""

    reason: Reason
    found: re.Match[str]
    before: State
    after: State
    seen: Observation
    service: Service
    now: float

    def __getitem__(self, group: str) -> float:
        return float(self.found[group])

    @property
    def desired(self) -> int:
        return self.after.service("web").desired

    @property
    def windows(self) -> Windows:
        return self.after.service("web").windows

    def instance(self, state: State) -> Instance:
        return next(one for one in state.instances if one.id == self.reason.instance)

    def is_elapsed(self, since: float | None, group: str = "s") -> bool:
        return since is not None and abs(self[group] - (self.now - since)) <= 0.0501


def sized(said: Said) -> bool:
    metric, number = Metric(said.found["metric"]), said["n"]
    shown = [value for value in said.windows.values(metric) if value is not None][-3:]
    exactly = number * said["value"] / said["target"]
    counts = {said.windows.instances, said.before.service("web").desired, *said.windows.in_service[-17:]}
    return (
        any(math.isclose(said["value"], value, rel_tol=0.006, abs_tol=0.006) for value in shown)
        and any(math.isclose(number, count, rel_tol=0.006) for count in counts)
        and math.isclose(exactly, said["exactly"], rel_tol=0.02, abs_tol=0.01)
        and said["wanted"] in {max(1, math.ceil(exactly - tiny)) for tiny in (-0.02, 0.02)}
        and said["target"] == said.service.scaling.target_tracking[0].target_value
    )


def changed(said: Said) -> bool:
    bounds = said.after.service("web").bounds
    low, high = (bounds.min, bounds.max) if bounds else (0, 0)
    wanted = min(max(said["wanted"], low), high)
    return sized(said) and wanted == said.reason.after == said.desired


def held_at(said: Said) -> bool:
    return said["n_wanted"] == said.desired and sized(said)


def there(said: Said) -> bool:
    new = sorted((one for one in said.after.instances if one.staying), key=lambda one: int(one.id.split("-")[1]))
    position = [one.id for one in new].index(said.reason.instance)
    return said["of"] == said.desired and said["k"] <= position


def went(said: Said) -> bool:
    one = said.instance(said.before)
    return said.is_elapsed(one.drain_started_at if "drain" in said.found[0] else one.terminate_started_at)


def progressed(said: Said) -> bool:
    new = [one for one in said.after.instances if one.release == said.reason.release and one.healthy and one.staying]
    return said["of"] == said.desired and said["k"] == len(new)


def failed_again(said: Said) -> bool:
    return abs(max(said.after.service("web").backoff.retry_at) - said.now - said["wait"]) <= 0.51


def failed_finally(said: Said) -> bool:
    rollout = said.before.service("web").rollout or said.before.service("web").finished
    rule = said.service.deployment.circuit_breaker
    return said["failures"] >= said["limit"] == threshold(rule, said.desired) and rollout is not None


def served(said: Said) -> bool:
    rollout = said.before.service("web").rollout
    return said["s"] == 0 or (rollout is not None and said.is_elapsed(rollout.started_at))


def true(_said: Said) -> bool:
    return True


NUMBER = r"[\d.e+-]+"
SIZE = (
    rf"(?P<metric>\w+) (?P<value>{NUMBER}) % [<>] {NUMBER} % for \d+ of \d+ points; "
    rf"(?P<n>{NUMBER}) x {NUMBER} / (?P<target>{NUMBER}) = (?P<exactly>{NUMBER}) -> (?P<wanted>\d+)"
    r"(, the least that cpu can ask for)?"
)
HOW = r"(exited with code \d+|exited|is gone|was never started|(was killed by|ended on) signal \d+ \(\w+\))"
CAUSE = r"(: .+)?"
AGAIN = r"( \(its place is filled again in (?P<wait>\d+) s\))"
SENTENCES: dict[str, Callable[[Said], bool]] = {
    r"release (?P<r>\d+)": lambda said: said["r"] == said.reason.release,
    r"release \d+ is built after (?P<s>[\d.]+) s": lambda said: said.is_elapsed(
        said.after.service("web").find_release(said.reason.release).created_at
    ),
    r"build of release \d+ failed: .*": true,
    r"rollout of release \d+ begins \(.*\)": true,
    r"rolling back from release (?P<a>\d+) to release (?P<b>\d+): .*": lambda said: said["b"] == said.reason.release,
    r"(rollout of|rollback to) release \d+ failed: (?P<failures>\d+) failed instances \(limit (?P<limit>\d+)\), .*": (
        failed_finally
    ),
    r"rollout of release \d+ ended by hand": true,
    r"release \d+ is not rolled back: .*": true,
    r"starting web-\d+ of release \d+ in zone [ab]: (?P<k>\d+) of (?P<of>\d+) are there": there,
    r"starting web-\d+ of release (?P<r>\d+) in zone [ab]: rollout of release (?P<b>\d+)": lambda s: s["r"] == s["b"],
    r"starting web-\d+ of release \d+ in zone [ab]: in place of web-\d+, .*": true,
    r"web-\d+ is in service (?P<s>[\d.]+) s after its launch": lambda said: said.is_elapsed(
        said.instance(said.after).launched_at
    ),
    r"(?P<k>\d+) of (?P<of>\d+) instances of release \d+ are in service": progressed,
    r"release \d+ gets (?P<p>[\d.]+) % of the requests": lambda said: (
        said["p"] == said.after.service("web").rollout.percent
    ),
    r"release \d+ bakes for (?P<s>[\d.]+) s": lambda said: said["s"] == said.service.deployment.bake_s,
    r"release \d+ serves( again)?, (?P<s>[\d.]+) s after the roll(out|back) began.*": served,
    rf"web-\d+ {HOW}(: boom)?": true,
    rf"web-\d+ {HOW}(: boom)?{AGAIN}": failed_again,
    rf"web-\d+ (did not answer|was not healthy).* within (?P<grace>[\d.]+) s{AGAIN}?": lambda said: (
        said["grace"] == said.service.health.grace_s and (said.found["wait"] is None or failed_again(said))
    ),
    rf"web-\d+ {HOW}, (?P<s>[\d.]+) s after (its drain began|it was told to stop){CAUSE}": went,
    rf"web-\d+ {HOW}; SIGKILL was sent because it had not ended (?P<s>[\d.]+) s after SIGTERM{CAUSE}": lambda said: (
        said["s"] == said.service.deployment.stop_timeout_s
    ),
    r"(draining|stopping) web-\d+: scale-in to (?P<n_wanted>\d+)": lambda said: said["n_wanted"] == said.desired,
    r"(draining|stopping) web-\d+: (it fails|it did not|replaced by).*": true,
    r"the drain of web-\d+ is cut off at its (?P<s>[\d.]+) s, with (?P<n>\d+) requests in flight": lambda said: (
        said["s"] == said.service.deployment.deregistration_delay_s and said["n"] == said.instance(said.after).in_flight
    ),
    r"the drain of web-\d+ is cut off at its [\d.]+ s, with no balancer to ask": lambda said: not said.seen.balancer,
    r"web-\d+ fails its health check": true,
    r"web-\d+ passes its health check again, after (?P<s>[\d.]+) s": lambda said: said.is_elapsed(
        said.instance(said.before).unhealthy_since
    ),
    SIZE: changed,
    rf"scale-out held: the (?P<n_wanted>\d+) wanted already are enough \({SIZE}\)": held_at,
    rf"scale-out held: already at max (?P<limit>\d+) \({SIZE}\)": lambda said: said["limit"] == said.desired,
    rf"scale-in held: all (?P<n_wanted>\d+) wanted are needed \({SIZE}\)": held_at,
    rf"scale-in held: the one wanted is needed \({SIZE}\)": lambda said: said.desired == 1 and sized(said),
    r"scale-in held: already at min (?P<limit>\d+)": lambda said: said["limit"] == said.desired,
    r"scale-in held: (?P<k>\d+) of (?P<of>\d+) instances fail their health check": lambda said: (
        said["k"] == sum(1 for one in said.after.instances if one.unhealthy_since is not None and one.staying)
        or said["k"] <= said["of"]
    ),
    r"scale-in held: (instances are still warming up|rollout of release \d+ is running)": true,
    r"scale-(in|out) held: (cooldown|held by hand), (?P<left>\d+) s left": lambda said: said["left"] >= 0,
    r"scale-in held: only (?P<k>\d+) of 15 points of cpu were measured": lambda said: (
        said["k"] == sum(1 for value in said.windows.values(Metric.CPU)[-17:] if value is not None)
    ),
    r"scaling held: cpu was not measured for (?P<n>\d+) datapoints": lambda said: (
        said["n"] == len(said.windows.values(Metric.CPU))
    ),
    r"the file says (min|max) (?P<limit>\d+)": lambda said: said["limit"] == said.reason.after,
    r"desired (?P<n_wanted>\d+) by hand(, held for [\d.]+ s)?": lambda said: said["n_wanted"] == said.reason.after,
    r"desired (?P<n_wanted>\d+) is (below min|above max) (?P<limit>\d+)": lambda said: (
        said["n_wanted"] != said["limit"]
    ),
    r"nothing is exchanged while the balancer is away": lambda said: not said.seen.balancer,
    r".* is stuck: minimum healthy (?P<low>\d+) % and maximum (?P<high>\d+) % of (?P<of>\d+) .*": lambda said: (
        (said["low"], said["high"], said["of"])
        == (
            said.service.deployment.minimum_healthy_percent,
            said.service.deployment.maximum_percent,
            said.desired,
        )
    ),
    rf"release \d+ is not known: the last {REMEMBERED} and those in use are kept": true,
    r"release \d+ (already serves|has not completed its rollout \(\w+\))": true,
    r"there is no completed release to go back to": true,
    r"a rollback to release \d+ is already running": true,
    r"web-\d+ is already (draining|terminating)": true,
}
PATTERNS = {re.compile(pattern): check for pattern, check in SENTENCES.items()}


def verify(before: State, done: Step, seen: Observation, service: Service, now: float) -> None:
    for reason in done.reasons:
        known = [(found, check) for one, check in PATTERNS.items() if (found := one.fullmatch(reason.text))]
        assert known, f"nobody knows this sentence: {reason.text}"
        said = [
            Said(reason=reason, found=found, before=before, after=done.state, seen=seen, service=service, now=now)
            for found, _ in known
        ]
        assert any(check(one) for one, (_, check) in zip(said, known, strict=True)), f"at {now}: {reason.text}"


class Listening(PretendWorld):
    """Keeps what the step saw, so that its sentences can be held against it."""

    def _observation(self) -> Observation:
        self.observed, self.state_before = super()._observation(), self.state
        return self.observed


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(applications(), histories)
def test_every_sentence_is_true(app, history):
    def check(world: PretendWorld, done: Step) -> None:
        assert isinstance(world, Listening)
        verify(world.state_before, done, world.observed, world.app.service("web"), world.now)

    live(app, history, on_step=check, kind=Listening)
