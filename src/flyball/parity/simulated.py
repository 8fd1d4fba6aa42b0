"""The simulator's column: what it models, what only roughly, and what it leaves out.

What the control loop honours it honours here too: the simulator calls the same loop. Traffic comes by service, with
costs that were measured of the program; how a request finds its service, and what the program does, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from .row import LOOP, PARTS, Honoured, Verdict, no, roughly, yes

NO_PROGRAM = no("no program runs; what its requests cost is measured, given or assumed")
BY_SERVICE = "requests come by service: as `--service`, an access log or equal shares say"
CHECKS = yes("the simulated health checks")
BALANCER = yes("the simulated balancer")
STATIONS = yes("the processor of a simulated instance")
REGIONS = yes("a world for each region, or of the one that `--region` chooses")
EDGE = yes("the simulated edge: who is served where and when")
NO_PLACES = no("the edge asks for no path, knows nobody's address and puts nothing between places")
IN_NUMBERS = no("what a request waits for its stores is part of what was measured")
NOBODY_REFUSED = no("every request is a visitor's, and none is refused")
UNENCRYPTED = no("requests come unencrypted; what it costs is part of what was measured")
COST_ONLY = no("of AWS; the report's cost knows its prices")
STORE_FAULT = yes('`--fault "store NAME at 5m for 1m"`: errors of the services that use it')

FIELDS: Mapping[str, Verdict] = {
    "Application.name": yes("the report's name"),
    "Application.zones": yes('where instances are; `--fault "zone a at 5m for 1m"` takes one away'),
    "Application.boundary": no("nobody but the balancer reaches a simulated instance"),
    "Application.region": no("it is a name only"),
    "Application.aws": PARTS,
    "Region.name": REGIONS,
    "Region.zones": REGIONS,
    "RegionService.name": REGIONS,
    "RegionService.size": REGIONS,
    "RegionService.capacity": REGIONS,
    "Region.weight": EDGE,
    "Region.serves": EDGE,
    "Edge.routing": EDGE,
    "Edge.pause_s": EDGE,
    "Edge.return_s": EDGE,
    "RegionHealth.interval_s": EDGE,
    "RegionHealth.healthy_threshold": EDGE,
    "RegionHealth.unhealthy_threshold": EDGE,
    "Service.name": yes("ids such as web-7"),
    "Service.run": roughly("no program runs: start, stop and requests take what was measured, given or assumed"),
    "Service.environment": roughly("how many requests it lets a known server take at a time"),
    "Service.build": roughly("it takes as long as was measured, and succeeds"),
    "Service.stores": STORE_FAULT,
    "Service.tls": UNENCRYPTED,
    "Service.tls_ca": UNENCRYPTED,
    "Service.concurrency": yes('the simulated queue; the rule of "auto" is the one that holds here'),
    "Queue.most": yes("the simulated queue"),
    "Queue.longest_s": yes("the simulated queue"),
    "Capacity.desired": yes("the first desired capacity"),
    "Size.cpu": STATIONS,
    "Size.burst": STATIONS,
    "Size.memory_bytes": no("memory is a constant share"),
    "HealthCheck.path": roughly("a check is answered between the requests of the instance"),
    "HealthCheck.interval_s": CHECKS,
    "HealthCheck.timeout_s": CHECKS,
    "HealthCheck.healthy_threshold": CHECKS,
    "HealthCheck.unhealthy_threshold": CHECKS,
    "HealthCheck.status_min": no("an instance answers its check well or not"),
    "HealthCheck.status_max": no("an instance answers its check well or not"),
    "Balancing.algorithm": BALANCER,
    "Balancing.slow_start_s": BALANCER,
    "Listener.standby": no("its balancer never dies"),
    "Listener.idle_timeout_s": roughly("a later answer is an error; its instance works on it to the end"),
    "Condition.path": roughly(BY_SERVICE),
    "Store.name": STORE_FAULT,
    "Store.kind": roughly("what a request waits for its stores is part of what was measured"),
    "Aws.network": PARTS,
    "Aws.health_interval_s": yes("`--as aws`: the simulated health checks"),
    "Aws.compute": roughly("`--as aws`: its datapoints and alarms, and assumed start-up times"),
}
"""What the control loop does not answer, and what its class does not."""
CLASSES: Mapping[str, Verdict] = {
    "Service": NO_PROGRAM,
    "Egress": NO_PROGRAM,
    "Stickiness": no("visitors keep no cookie"),
    "Listener": no(BY_SERVICE),
    "Route": no(BY_SERVICE),
    "Condition": no(BY_SERVICE),
    "Redirect": no(BY_SERVICE),
    "FixedResponse": no(BY_SERVICE),
    "Tls": UNENCRYPTED,
    "Acme": UNENCRYPTED,
    "Firewall": NOBODY_REFUSED,
    "RateLimit": NOBODY_REFUSED,
    "CoreRules": NOBODY_REFUSED,
    "Store": IN_NUMBERS,
    "KeyField": IN_NUMBERS,
    "Edge": NO_PLACES,
    "RegionHealth": NO_PLACES,
    "Pipeline": no("`--deploy` is a release that is there"),
    "Observe": no("the report is all that is kept"),
    "Aws": COST_ONLY,
    "Network": COST_ONLY,
}
"""What holds for every other field of a class."""


def verdict(name: str, local: Verdict) -> Verdict:
    """What the simulator does with "Class.field". `local`: what this machine does."""
    if name in FIELDS:
        return FIELDS[name]
    if local in (LOOP, PARTS):
        return local
    model = name.partition(".")[0]
    assert model in CLASSES, f"{name}: say here what the simulator does with it"
    return CLASSES[model]


def modelled() -> tuple[str, ...]:
    """The fields that the simulator itself models, beside what the control loop does."""
    return tuple(name for name, each in FIELDS.items() if isinstance(each, Honoured) and each != PARTS)
