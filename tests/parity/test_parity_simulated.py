"""The simulator's column is true: what it models changes a run, what it leaves out changes nothing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from aws import applications
from flyball import parity
from flyball.core import control
from flyball.core.arrivals import parse_stages
from flyball.core.control.step import step
from flyball.core.model import (
    Application,
    Aws,
    Balancing,
    BalancingAlgorithm,
    Boundary,
    Capacity,
    Compute,
    Condition,
    Egress,
    FixedResponse,
    HealthCheck,
    KeyField,
    KeyType,
    Listener,
    Queue,
    Redirect,
    Region,
    RegionService,
    Route,
    Scaling,
    Service,
    Size,
    Stickiness,
    Store,
    StoreKind,
    TargetTracking,
)
from flyball.core.model.edge import in_region
from flyball.core.model.metric import Metric
from flyball.parity import simulated
from flyball.parity.row import LOOP, PARTS
from flyball.sim import ASSUMED, Plan, Rehearsal, Result, Rollout, given, on_aws, parse_faults, rehearsal
from flyball.sim.numbers import Numbers

Change = Callable[[Application], Application]
LOOKED_AT_ELSEWHERE = {
    "Application.name": "tests/sim/test_simulate.py: test_the_report_has_decisions_and_says_what_is_assumed",
    "Region.name": "tests/sim/test_simulate.py: test_one_region_is_simulated_with_what_it_overlays",
    "RegionService.name": "tests/sim/test_simulate.py: test_one_region_is_simulated_with_what_it_overlays",
    "Region.weight": "tests/sim/test_regions_simulated.py: test_every_routing",
    "Region.serves": "tests/sim/test_regions_simulated.py: test_every_routing",
    "Edge.routing": "tests/sim/test_regions_simulated.py: test_every_routing",
    "Edge.pause_s": "tests/sim/test_regions_simulated.py: test_a_bad_release_stops_in_the_first_region",
    "Edge.return_s": "tests/sim/test_regions_simulated.py: test_others_serve_from_the_check_on_and_then_less",
    "RegionHealth.interval_s": "tests/sim/test_regions_simulated.py: test_a_moment_away_is_no_failover",
    "RegionHealth.healthy_threshold": "tests/sim/test_regions_simulated.py: test_a_moment_away_is_no_failover",
    "RegionHealth.unhealthy_threshold": "tests/sim/test_regions_simulated.py: test_a_moment_away_is_no_failover",
    "Store.name": "tests/sim/test_disturbances.py: test_a_lost_store_makes_errors_while_it_is_away",
    "Aws.compute": "tests/parity/test_parity_simulated.py: test_as_aws_a_machine_starts_later_than_a_task",
    "Aws.health_interval_s": "tests/parity/test_parity_simulated.py: test_as_aws_a_machine_starts_later_than_a_task",
}
ONLY_SAID = {"Condition.path", "HealthCheck.path", "Store.kind"}
"""Roughly: something is modelled there, but the value itself changes nothing."""


def plain() -> Application:
    """One small service; what it is given to do is in `Run`."""
    web = Service(
        name="web",
        run="serve",
        routes=(Route(condition=Condition(path="/")),),
        health=HealthCheck(path="/health", interval_s=2.0, timeout_s=1.0),
        stores=("messages",),
        size=Size(cpu=0.5),
        capacity=Capacity(min=2, max=4),
        scaling=Scaling(target_tracking=(TargetTracking(metric=Metric.CPU, target_value=60.0),)),
        concurrency=0,
    )
    store = Store(name="messages", kind=StoreKind.TABLE, key=(KeyField(name="id"),))
    return Application(name="shop", services=(web,), stores=(store,), aws=Aws(region="eu-north-1"))


@dataclass(frozen=True, kw_only=True)
class Run:
    """What happens to the application. `base`: another one than the plain one."""

    traffic: str = "40:30s"
    request_s: float = 0.02
    faults: tuple[str, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    base: Change = field(default=lambda app: app)

    def of(self, app: Application) -> Result:
        numbers: Numbers = replace(given(ASSUMED, request_s=self.request_s, start_s=2.0), peak=1.0)
        plan = Plan(
            app=app,
            curve=parse_stages(self.traffic),
            seed=3,
            numbers=dict.fromkeys((one.name for one in app.services), numbers),
            shares={app.services[0].name: 1.0},
            faults=tuple(one for text in self.faults for one in parse_faults(text, app, seed=3)),
            rollouts=self.rollouts,
        )
        return Rehearsal(plan).run()


def web(**changes: Any) -> Change:
    """A change of the service."""
    return lambda app: replace(app, services=(replace(app.services[0], **changes),))


def health(**changes: Any) -> Change:
    return lambda app: web(health=replace(app.services[0].health, **changes))(app)


def region(**changes: Any) -> Change:
    """The application in its only region, which overlays this."""
    only = Region(name="eu-north-1", **changes)
    return lambda app: replace(in_region(replace(app, regions=(only,)), only.name), regions=())


def overlaid(**changes: Any) -> Change:
    usual = {"name": "web", "size": Size(cpu=0.5), "capacity": Capacity(min=2, max=4)}
    return region(services=(RegionService(**{**usual, **changes}),))


BUSY = Run(traffic="120:20s")
FREEZE = Run(faults=("freeze web at 10s for 20s",), traffic="10:1m")
ONE_PLACE = Run(traffic="120:20s", base=web(concurrency=1))
NEW_RELEASE = Run(rollouts=(Rollout(service="web", at_s=5.0),))
CASES: dict[str, tuple[Run, Change]] = {
    "Application.zones": (Run(faults=("zone a at 5s for 10s",)), lambda app: replace(app, zones=("a", "b", "c"))),
    "Region.zones": (Run(faults=("zone a at 5s for 10s",), base=region()), region(zones=("a", "b", "c"))),
    "RegionService.size": (replace(BUSY, base=overlaid()), overlaid(size=Size(cpu=1.0))),
    "RegionService.capacity": (replace(BUSY, base=overlaid()), overlaid(capacity=Capacity(min=3, max=4))),
    "Service.name": (Run(), web(name="front")),
    "Service.run": (replace(BUSY, base=web(concurrency="auto")), web(run="gunicorn -w 1 --threads 1 app:app")),
    "Service.environment": (
        replace(BUSY, base=web(concurrency="auto", run="php -S 127.0.0.1:80")),
        web(environment=(("PHP_CLI_SERVER_WORKERS", "3"),)),
    ),
    "Service.build": (NEW_RELEASE, web(build="make")),
    "Service.stores": (Run(faults=("store messages at 5s for 5s",)), web(stores=())),
    "Service.concurrency": (BUSY, web(concurrency=1)),
    "Queue.most": (ONE_PLACE, web(queue=Queue(most=3))),
    "Queue.longest_s": (ONE_PLACE, web(queue=Queue(longest_s=0.1))),
    "Capacity.desired": (Run(), web(capacity=Capacity(min=2, max=4, desired=3))),
    "Size.cpu": (BUSY, web(size=Size(cpu=1.0))),
    "Size.burst": (BUSY, web(size=Size(cpu=0.5, burst=False))),
    "HealthCheck.interval_s": (FREEZE, health(interval_s=7.0)),
    "HealthCheck.timeout_s": (FREEZE, health(timeout_s=1.9)),
    "HealthCheck.healthy_threshold": (FREEZE, health(healthy_threshold=9)),
    "HealthCheck.unhealthy_threshold": (FREEZE, health(unhealthy_threshold=9)),
    "Balancing.algorithm": (
        BUSY,
        web(balancing=Balancing(algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS)),
    ),
    "Balancing.slow_start_s": (NEW_RELEASE, web(balancing=Balancing(slow_start_s=30.0))),
    "Listener.idle_timeout_s": (BUSY, lambda app: replace(app, listener=Listener(idle_timeout_s=1.0))),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_is_modelled_changes_a_run(name: str):
    run, change = CASES[name]
    app = run.base(plain())
    assert run.of(change(app)) != run.of(app)


def test_a_limit_that_adapts_is_modelled():
    app = plain()
    run = Run(traffic="120:20s", request_s=0.2)
    assert run.of(web(concurrency="auto")(app)) != run.of(app)


def test_nothing_of_the_queue_is_said_to_be_left_out():
    app = web(concurrency="auto", queue=Queue(most=5, longest_s=1.0))(plain())
    said = parity.unhonoured(app, parity.World.SIMULATED)
    assert said
    assert not [line for line in said if "concurrency" in line or "queue" in line]


def test_every_modelled_field_is_looked_at():
    assert set(simulated.modelled()) == CASES.keys() | LOOKED_AT_ELSEWHERE.keys() | ONLY_SAID
    for where in LOOKED_AT_ELSEWHERE.values():
        file, _, test = where.partition(": ")
        assert f"def {test}(" in (Path(__file__).parents[2] / file).read_text(encoding="utf-8"), where


def test_what_is_left_out_changes_nothing():
    app = plain()
    assert BUSY.of(decorated(app)) == BUSY.of(app)


def decorated(app: Application) -> Application:
    """The same with everything that the simulator leaves out."""
    every = applications.everything_on_fargate()
    assert every.aws is not None
    front = every.services[0]
    service = replace(
        app.services[0],
        test="make test",
        source="elsewhere",
        runtime="node@22",
        dockerfile="Dockerfile",
        tls=True,
        tls_ca="authorities.pem",
        routes=tuple(replace(each, queue=False) for each in front.routes),
        health=replace(app.services[0].health, path="/ok", status_min=201, status_max=204),
        size=replace(app.services[0].size, memory_bytes=1),
        balancing=Balancing(stickiness=Stickiness(duration_s=5.0)),
        egress=Egress(everywhere=False, to=("10.0.0.0/8",)),
    )
    redirect = Redirect(condition=Condition(path="/a", headers=(("a", "b"),)), location="/", status=302, priority=3)
    answer = FixedResponse(
        condition=Condition(path="/b", host="h"), status=418, body="x", content_type="text/html", priority=4
    )
    store = Store(
        name="messages",
        kind=StoreKind.BUCKET,
        key=(KeyField(name="n", type=KeyType.NUMBER),),
        ttl="until",
        replicas=3,
        archive_after_s=86_400.0,
        replicate=True,
    )
    listener = replace(every.listener, port=9000, idle_timeout_s=60.0, redirects=(redirect,), fixed_responses=(answer,))
    return replace(
        every,
        name=app.name,
        services=(service,),
        stores=(store,),
        listener=listener,
        zones=app.zones,
        boundary=Boundary.CLOSED,
        region="eu-west-1",
        aws=replace(every.aws, compute=Compute.EC2),
    )


def test_every_field_that_is_left_out_is_looked_at():
    whole = {row.model for row in parity.ROWS if row.model in simulated.CLASSES and row.model != "Service"}
    left_out = {
        f"{row.model}.{row.field}"
        for row in parity.ROWS
        if isinstance(row.verdicts[parity.World.SIMULATED], parity.Refused) and row.model not in whole
    }
    assert left_out - set(_changed(decorated(plain()))) == set()


def _changed(value: Any) -> Iterator[str]:
    """The fields of a value, and of what it holds, that are not their defaults."""
    for each in fields(value):
        held = getattr(value, each.name)
        if each.default is MISSING or held != each.default:
            yield f"{type(value).__name__}.{each.name}"
        for part in held if isinstance(held, tuple) else (held,):
            if is_dataclass(part):
                yield from _changed(part)


def test_the_loop_is_the_one_that_runs_here_and_reads_what_it_honours():
    assert rehearsal.step is step
    core = Path(str(control.__file__)).parents[1]
    read = {
        node.attr
        for file in (*core.glob("control/**/*.py"), *core.glob("model/*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    honoured = {row.field for row in parity.ROWS if row.verdicts[parity.World.SIMULATED] == LOOP}
    assert honoured - read == set()
    for row in parity.ROWS:
        if row.verdicts[parity.World.LOCAL] in (LOOP, PARTS):
            assert row.verdicts[parity.World.SIMULATED] == row.verdicts[parity.World.LOCAL], row


def test_as_aws_a_machine_starts_later_than_a_task():
    app = plain()
    there = {}
    for compute in Compute:
        assert app.aws is not None
        changed = replace(app, aws=replace(app.aws, compute=compute, health_interval_s=30.0))
        clocked, numbers = on_aws(changed, {"web": ASSUMED})
        there[compute] = numbers["web"].start
        assert clocked.services[0].health.interval_s == 30.0
    assert there[Compute.EC2][-1] > there[Compute.FARGATE][-1]
