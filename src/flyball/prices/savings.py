"""What would save money? The usual answers, in dollars a month for the traffic that was seen.

Each answer stands alone: two of them together save less than their sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from flyball.core.model import Application, Aws, Compute, Service, Size, Store, StoreKind

from .bill import CACHE_NODE, GB, HOURS, compute_usd, home, instance_usd, place, spread
from .past import Past, Used
from .table import Machine, discount, machines, prices

ROOM = 0.7
"""The share of a smaller instance that the busiest minute may fill."""
SYSTEM_GIB = 0.4
"""What a machine needs for itself."""

Fits = Callable[[float, int], tuple[float, int]]
"""The smallest task for these cores and bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Dollars a month, None when it cannot be known; `text` says what to do, or why nothing is known."""

    strategy: str
    month: float | None
    text: str


def savings(app: Application, past: Past | None, fits: Fits) -> tuple[Saving, ...]:
    """All answers. `past`: what was used, None when nothing is known but the file."""
    aws = place(app)
    return (
        _plan(app, aws, past),
        _spot(app, aws, past),
        _right_size(app, aws, past, fits),
        _lifecycle(app, aws, past),
        _nodes(app, aws),
        _scale_in(app, aws, past),
    )


def _used(past: Past | None, service: Service) -> Used | None:
    return None if past is None else past.services.get(service.name)


def _plan(app: Application, aws: Aws, past: Past | None) -> Saving:
    offer = discount("savings-plan", aws.compute.value)
    counts, usd = [], 0.0
    for service in app.services:
        used = _used(past, service)
        count = service.capacity.min if used is None else int(used.fewest)
        counts.append(f"{count} of {service.name}")
        usd += count * compute_usd(service, aws) * offer.share * HOURS
    return Saving(
        strategy="reserved or savings plan for the baseline",
        month=usd,
        text=f"{offer.text}, for what always runs: {', '.join(counts)}",
    )


def _spot(app: Application, aws: Aws, past: Past | None) -> Saving:
    strategy, offer = "spot for bursts", discount("spot", aws.compute.value)
    if past is None or not past.hours:
        return Saving(strategy=strategy, month=None, text="needs traffic: run the application, or give --trace")
    left = 1 - aws.spot_percent / 100
    usd = sum(
        max(0.0, used.instance_hours - service.capacity.min * used.hours) * compute_usd(service, aws)
        for service in app.services
        if (used := _used(past, service)) is not None
    )
    text = f"{offer.text}: set spot in [aws]" if left else "spot is set for everything above the minimum"
    return Saving(strategy=strategy, month=usd * offer.share * left * HOURS / past.hours, text=text)


def _right_size(app: Application, aws: Aws, past: Past | None, fits: Fits) -> Saving:
    strategy, usd, words = "right size", 0.0, []
    for service in app.services:
        used = _used(past, service)
        if used is None or used.peak_cpu is None or used.peak_memory is None or past is None:
            return Saving(
                strategy=strategy, month=None, text=f"needs cpu and memory of {service.name}, measured by flyball up"
            )
        cores = service.size.cpu * used.peak_cpu / 100
        held = service.size.memory_bytes * used.peak_memory / 100
        smaller, name = _smaller(service, aws, cores, held, fits)
        saved = (instance_usd(service, aws) - smaller) * used.instance_hours * HOURS / past.hours
        if saved > 0:
            usd += saved
            words.append(f"{name} for {service.name}, which used at most {used.peak_cpu:.0f} % of its CPU")
    return Saving(strategy=strategy, month=usd, text="; ".join(words) or "nothing smaller holds the busiest minute")


def _smaller(service: Service, aws: Aws, cores: float, held: float, fits: Fits) -> tuple[float, str]:
    """Dollars an hour, and the name, of the cheapest instance that has room."""
    if aws.compute is Compute.FARGATE:
        cpu, memory = fits(cores / ROOM, int(held / ROOM))
        made = replace(service, size=Size(cpu=cpu, memory_bytes=memory))
        return instance_usd(made, aws), f"{cpu:g} vCPU and {memory // 1024**2} MB"
    fitting = [one for one in machines() if _has_room(one, cores, held)]
    costs = [(instance_usd(service, replace(aws, machine=one.name)), one.name) for one in fitting]
    return min([*costs, (instance_usd(service, aws), aws.machine)])


def _has_room(machine: Machine, cores: float, held: float) -> bool:
    return cores <= machine.vcpus * ROOM and held / 1024**3 <= (machine.gib - SYSTEM_GIB) * ROOM


def _lifecycle(app: Application, aws: Aws, past: Past | None) -> Saving:
    known = prices(home(aws))
    strategy, buckets = "lifecycle", [store for store in app.stores if store.kind is StoreKind.BUCKET]
    open_ones = [store for store in buckets if store.archive_after_s is None]
    if not open_ones:
        why = "every bucket has archive_after" if buckets else "the application has no bucket"
        return Saving(strategy=strategy, month=0.0, text=why)
    held = sum((past.stored if past else {}).get(store.name, 0.0) for store in open_ones) / GB
    names = ", ".join(store.name for store in open_ones)
    return Saving(
        strategy=strategy,
        month=held * (known["s3.stored"].usd - known["s3.archived"].usd),
        text=f"archive_after for {names}, with the {held:.3g} GB that lie there now",
    )


def _nodes(app: Application, aws: Aws) -> Saving:
    offer = discount("reserved-nodes")
    nodes = sum(_count(app.stores)) * len(spread(app))
    usd = nodes * prices(home(aws))[f"elasticache.{CACHE_NODE}"].usd * offer.share * HOURS
    text = f"{offer.text}: {nodes} of them" if nodes else "the application has no Redis"
    return Saving(strategy="reserved cache nodes", month=usd, text=text)


def _count(stores: tuple[Store, ...]) -> Iterator[int]:
    return (1 + store.replicas for store in stores if store.kind is StoreKind.REDIS)


def _scale_in(app: Application, aws: Aws, past: Past | None) -> Saving:
    strategy = "faster scale-in"
    if past is None or not past.hours or all(one.peak_cpu is None for one in past.services.values()):
        return Saving(strategy=strategy, month=None, text="needs traffic: run the application, or give --trace")
    usd = sum(
        used.surplus * instance_usd(service, aws)
        for service in app.services
        if (used := _used(past, service)) is not None
    )
    hours = sum(one.surplus for one in past.services.values())
    return Saving(
        strategy=strategy,
        month=usd * HOURS / past.hours,
        text=f"at most: {hours:.3g} hours of instances were more than the target needed",
    )
