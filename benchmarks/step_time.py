"""How long one step of the governor takes with 10, 100 and 1,000 instances in service.

python -m benchmarks.step_time

A pretend world carries out what the steps ask for until all instances serve; then it lets time pass, one second and one
sample of every instance per step, with the load going up and down around the target value so that alarms and scaling
policies have something to judge. Timed is `step` alone, after the windows of the alarms are full.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from benchmarks.harness import Figures, arguments, interleaved, medians, save, show

from flyball.core.control.actions import Action, Build, Launch, Terminate
from flyball.core.control.observation import (
    BuildSeen,
    Deploy,
    InstanceSample,
    InstanceSeen,
    Intent,
    LatencySample,
    Observation,
    ReleaseSpec,
    TargetHealth,
)
from flyball.core.control.state import State
from flyball.core.control.step import begin, step
from flyball.core.manifest import parse
from flyball.core.model import Application

MANIFEST = """
name = "benchmark"
[services.web]
run = "true"
build = "true"
routes = ["/"]
instances = {{ min = {count}, max = {count} }}
[services.web.scale]
target = {{ cpu = 50, requests = 1000 }}
"""
WARM_STEPS = 400
START_STEPS = 10_000


class World:
    """Does at once what is asked for, and shows it to the next step."""

    def __init__(self, count: int) -> None:
        self.app: Application = parse(MANIFEST.format(count=count))
        self.state: State = begin(self.app, now=0.0)
        self.took_s = 0.0
        self._now = 0.0
        self._running: list[str] = []
        self._builds: tuple[BuildSeen, ...] = ()
        self._intents: tuple[Intent, ...] = (Deploy(service="web", spec=ReleaseSpec(content="0" * 64, run="true")),)
        for _ in range(START_STEPS):
            self.advance()
            if len(self._running) == count and self._now > WARM_STEPS:
                return
        raise SystemExit(f"{len(self._running)} of {count} instances serve after {START_STEPS} steps")

    def advance(self) -> None:
        """One second, one step."""
        self._now += 1.0
        seen = self._observation()
        self._builds, self._intents = (), ()
        began = time.perf_counter()
        done = step(self.app, self.state, seen, now=self._now)
        self.took_s = time.perf_counter() - began
        self.state = done.state
        self._carry_out(done.actions)

    def _observation(self) -> Observation:
        cpu = 48.0 + 6.0 * math.sin(self._now / 30.0)
        return Observation(
            instances=tuple(
                InstanceSeen(id=name, ready=True, target_health=TargetHealth.HEALTHY, in_flight=2)
                for name in self._running
            ),
            sampled=True,
            samples=tuple(
                InstanceSample(id=name, cpu_percent=cpu, memory_percent=20.0, requests=10) for name in self._running
            ),
            latencies=(LatencySample(service="web", p50_ms=3.0, p95_ms=9.0, p99_ms=15.0),),
            builds=self._builds,
            intents=self._intents,
        )

    def _carry_out(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Build():
                    self._builds = (BuildSeen(service=action.service, release=action.release, succeeded=True),)
                case Launch():
                    self._running.append(action.instance)
                case Terminate():
                    self._running.remove(action.instance)


def main() -> None:
    parser = arguments(__doc__, runs=5, seconds=2)
    parser.add_argument("counts", nargs="*", type=int, default=[10, 100, 1000])
    options = parser.parse_args()
    worlds = {f"{count}": World(count) for count in options.counts}

    def one(name: str) -> Figures:
        taken: list[float] = []
        until = time.perf_counter() + options.seconds
        while time.perf_counter() < until:
            worlds[name].advance()
            taken.append(worlds[name].took_s * 1000)
        taken.sort()
        return {
            "median ms": taken[len(taken) // 2],
            "p99 ms": taken[int(len(taken) * 0.99)],
            "steps": float(len(taken)),
        }

    samples = interleaved(list(worlds), options.runs, one)
    show("One step of the governor, by number of instances", samples)
    if options.save:
        save("step_time", {"medians": medians(samples), "samples": samples})


if __name__ == "__main__":
    main()
