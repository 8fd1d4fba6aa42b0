"""The simulator's engines against SimPy and Ciw, and a whole day with the governor.

python -m benchmarks.simulator

The same small network for all: five instances of four workers, exponential service, load 0.8, each request to the
instance with the fewest (Ciw: the shortest line). Figures are requests per second of processor time, arrivals included.
The day: ten million requests, a tick every second, up to ten instances.
"""

from __future__ import annotations

import random
import resource
import time
import warnings

from benchmarks.harness import Figures, Missing, arguments, interleaved, medians, save, show

from flyball.core.arrivals import RateCurve, Stage, parse_stages
from flyball.core.manifest import parse
from flyball.core.model import BalancingAlgorithm
from flyball.sim import Plan, Rehearsal, given
from flyball.sim.engines import fast, plain
from flyball.sim.numbers import exponential
from flyball.sim.parts import Kind, Rules, Station

INSTANCES, WORKERS, LOAD = 5, 4, 0.8
MEAN_S = 0.01
RATE = LOAD * INSTANCES * WORKERS / MEAN_S
REQUESTS = {"flyball": 2_000_000, "plain": 40_000, "simpy": 20_000, "ciw": 5_000}
DAY = "30:6h,220:6h,120:6h,95:6h"
FILE = """
name = "benchmark"
[services.web]
run = "true"
routes = ["/"]
instances = { min = 2, max = 10 }
[services.web.scale]
target = { cpu = 50 }
"""


def flyball(make, count: int) -> None:
    curve = RateCurve(stages=(Stage(rate=RATE, duration_s=count / RATE),))
    rules = Rules(algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS)
    engine = make(curve, 1, "draws", [Kind(work=exponential(MEAN_S))], rules)
    for _ in range(INSTANCES):
        slot = engine.add(Station(cores=WORKERS, peak=WORKERS, workers=WORKERS), now=0.0)
        engine.route(slot, open=True, weight=1.0, now=0.0)
    engine.run(1e9)


def simpy_(count: int) -> None:
    import simpy  # noqa: PLC0415 - a peer, which may be missing

    world, draw = simpy.Environment(), random.Random(1)
    stations = [simpy.Resource(world, capacity=WORKERS) for _ in range(INSTANCES)]

    def request():
        station = min(stations, key=lambda one: one.count + len(one.queue))
        with station.request() as turn:
            yield turn
            yield world.timeout(draw.expovariate(1 / MEAN_S))

    def arrive():
        for _ in range(count):
            yield world.timeout(draw.expovariate(RATE))
            world.process(request())

    world.process(arrive())
    world.run()


def ciw_(count: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ciw  # noqa: PLC0415
    ciw.seed(1)
    nodes = range(2, INSTANCES + 2)
    router = ciw.routing.JoinShortestQueue(destinations=list(nodes), tie_break="random")
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=RATE), *[None] * INSTANCES],
        service_distributions=[
            ciw.dists.Deterministic(value=0.0),
            *[ciw.dists.Exponential(rate=1 / MEAN_S)] * INSTANCES,
        ],
        number_of_servers=[float("inf"), *[WORKERS] * INSTANCES],
        routing=ciw.routing.NetworkRouting(routers=[router, *[ciw.routing.Leave()] * INSTANCES]),
    )
    ciw.Simulation(network).simulate_until_max_customers(count, method="Finish")


RUNS = {
    "flyball": lambda count: flyball(fast, count),
    "plain": lambda count: flyball(plain, count),
    "simpy": simpy_,
    "ciw": ciw_,
}


def once(name: str, share: float) -> Figures:
    count = max(1_000, round(REQUESTS[name] * share))
    began = time.process_time()
    RUNS[name](count)
    return {"requests/s of a core": count / (time.process_time() - began)}


def day() -> Figures:
    app, curve = parse(FILE), parse_stages(DAY)
    plan = Plan(app=app, curve=curve, seed=1, numbers={"web": given()}, shares={"web": 1.0})
    began, wall = time.process_time(), time.perf_counter()
    result = Rehearsal(plan).run()
    return {
        "requests": float(result.requests),
        "processor s": time.process_time() - began,
        "wall s": time.perf_counter() - wall,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = arguments(__doc__, runs=3, seconds=1)
    parser.add_argument("--no-day", action="store_true", help="leave the day out")
    options = parser.parse_args()
    try:
        once("flyball", 0.001)  # imports and compiles
    except ImportError as error:
        raise Missing(f"{error.name} is not installed: pip install --group dev") from None
    samples = interleaved(list(RUNS), options.runs, lambda name: once(name, options.seconds))
    show("Five instances of four workers, load 0.8, the fewest requests first", samples)
    found: dict[str, object] = {"medians": medians(samples), "samples": samples}
    if not options.no_day:
        found["day"] = whole = day()
        show("A day of ten million requests, a tick every second", {"day": [whole]})
    if options.save:
        save("simulator", found)


if __name__ == "__main__":
    main()
