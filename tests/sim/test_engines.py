"""The compiled engine gives the plain one's results, request by request; and its traffic is that of `flyball load`."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

pytest.importorskip("numba")

from flyball.core.arrivals import RateCurve, Stage, arrivals, parse_stages
from flyball.core.model import BalancingAlgorithm
from flyball.sim.fast_engine import FastEngine
from flyball.sim.fast_traffic import FastTraffic
from flyball.sim.numbers import exponential
from flyball.sim.parts import Kind, Rules, Station
from flyball.sim.plain_engine import PlainEngine
from flyball.sim.traffic import Traffic

CURVE = parse_stages("200:20s,0:5s,900:20s")
KINDS = [Kind(work=exponential(0.004), failing=0.1), Kind(work=exponential(0.004), wait=(0.0, 0.05))]
LEAST = BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS
RULES = [
    Rules(),
    Rules(algorithm=LEAST),
    Rules(slow_start_s=10, connections=5),
    Rules(concurrency=3, queue=50),
    Rules(concurrency=3, queue=50, algorithm=LEAST, timeout_s=0.3, repeatable=False),
    Rules(concurrency=3, queue=50, longest_s=0.05, by_turns=True, slow_start_s=10),
    Rules(mix=(0.7, 1.0), way=(0.0, 0.002), cold_way_s=0.001),
]
STATIONS = [
    Station(release=0, cores=0.25, saved_s=0.05, workers=4, backlog=10),
    Station(release=1, cores=0.25, saved_s=0.05),
    Station(release=0, cores=0.25, saved_s=0.05, workers=1, backlog=3),
    Station(release=1, cores=0.25, saved_s=0.05, workers=20),
]
SLICED = [replace(one, slice_s=0.1, slice_at=0.03 * number, cold_s=0.001) for number, one in enumerate(STATIONS)]


def lived(engine, stations, *, limited: bool) -> list[object]:
    """An eventful minute: everything that an engine can be told, and all that it tells each second."""
    slots = []
    for number, station in enumerate(stations):
        slots.append(engine.add(station, now=0.0))
        engine.route(slots[-1], open=True, weight=1.0 + number % 2, now=0.0)
    told: list[object] = []
    for second in range(1, 60):
        engine.run(float(second))
        match second:
            case 10:
                engine.pace(slots[1], 0.0, now=10.0)
            case 12:
                engine.pace(slots[1], 0.5, now=12.0)
            case 15:
                engine.remove(slots[0], now=15.0)
                slots[0] = engine.add(Station(release=1, peak=2, saved_s=0.1), now=15.0)
                engine.route(slots[0], open=True, weight=1.0, now=15.0)
            case 20:
                engine.machine(1.5, 0.0, now=20.0)
            case 25:
                engine.machine(0.5, 0.4, least=0.6, whole=2.0, now=25.0)
                engine.limit(5 * limited, now=25.0)
            case 30:
                engine.route(slots[2], open=False, weight=1.0, now=30.0)
                engine.fail(0, 0.5)
            case 35:
                engine.remove(slots.pop(1), now=35.0)
        told.append([(engine.use(one), engine.load(one), engine.backlog_s(one)) for one in slots])
        told.append((engine.queued(), engine.passed(), engine.coarse(), engine.fine(), engine.totals()))
    return told


@pytest.mark.parametrize("stations", [STATIONS, SLICED], ids=["even", "sliced"])
@pytest.mark.parametrize("rules", RULES, ids=range(len(RULES)))
def test_both_engines_agree_request_by_request(rules, stations):
    plain_log, fast_log = [], []
    kinds, limited = [*KINDS, *KINDS[::-1]][: 2 * len(rules.mix)], rules.concurrency > 0
    plain = lived(
        PlainEngine(Traffic(CURVE, seed=3, draws="x"), kinds, rules, log=plain_log), stations, limited=limited
    )
    fast = lived(
        FastEngine(FastTraffic(CURVE, seed=3, draws="x"), kinds, rules, log=fast_log, logged=30_000),
        stations,
        limited=limited,
    )

    assert len(plain_log) > 10_000
    assert plain_log == fast_log
    assert plain == fast


def in_bulk(curve: RateCurve, seed: int) -> list[float]:
    traffic, times = FastTraffic(curve, seed=seed, draws="draws"), []
    while len(more := traffic.more()[0]):
        times += list(more)
    return times


@pytest.mark.parametrize("seed", range(3))
def test_the_arrivals_are_those_of_the_load_generator(seed):
    draw = Random(seed)
    stages = [Stage(rate=draw.choice([0.0, draw.uniform(0, 900)]), duration_s=draw.uniform(0.1, 30)) for _ in range(20)]
    curve = RateCurve(stages=(*stages, Stage(rate=5000.0, duration_s=20.0)))

    times = in_bulk(curve, seed)

    assert len(times) > 65_536, "more than one batch"
    assert times == list(arrivals(curve, Random(seed).random))


@pytest.mark.parametrize("algorithm", BalancingAlgorithm)
def test_both_engines_agree_when_the_queue_sends_many_at_once(algorithm):
    """A limit that is raised, an instance that comes and one that goes each send hundreds of waiting requests on."""

    def crowded(engine) -> list[object]:
        slots = []
        for second in range(1, 40):
            if second in {1, 2, 12}:
                slots.append(engine.add(Station(cores=0.25, saved_s=0.05, slice_s=0.1), now=second - 1.0))
                engine.route(slots[-1], open=True, weight=1.0, now=second - 1.0)
            engine.run(float(second))
            if second in {4, 6, 8, 16}:
                engine.limit({4: 84, 6: 168, 8: 300, 16: 120}[second], now=float(second))
            if second == 18:
                engine.remove(slots.pop(0), now=18.0)
        return [engine.totals(), engine.fine(), [engine.load(slot) for slot in slots]]

    curve, rules = parse_stages("300:12s,60:20s"), Rules(algorithm=algorithm, concurrency=42, queue=3000)
    plain_log, fast_log = [], []
    plain = crowded(PlainEngine(Traffic(curve, seed=3, draws="d"), [KINDS[0]], rules, log=plain_log))
    traffic = FastTraffic(curve, seed=3, draws="d")
    fast = crowded(FastEngine(traffic, [KINDS[0]], rules, log=fast_log, logged=10_000))

    assert max(plain[2]) < 500 < plain[0][0]
    assert fast_log == plain_log
    assert fast == plain
