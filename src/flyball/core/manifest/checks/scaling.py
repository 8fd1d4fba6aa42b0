"""Rules of scaling policies, most of them AWS's.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html (steps)
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html (suitable metrics)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from difflib import get_close_matches
from itertools import pairwise

from flyball.core.manifest import units
from flyball.core.manifest.complaints import Path, Unplaced
from flyball.core.manifest.schema import (
    InstancesTable,
    RuleTable,
    ScaleTable,
    ScheduleTable,
    ServiceTable,
    StepTable,
    TargetsTable,
    adjustment,
)
from flyball.core.model import Metric


def scaling_complaints(name: str, service: ServiceTable, timezones: Collection[str] | None) -> Iterator[Unplaced]:
    """Complaints about one service's policies."""
    if service.scale is None:
        return
    at: Path = ("services", name, "scale")
    routed = bool(service.routes)
    if service.scale.target is not None:
        yield from _targets((*at, "target"), service.scale.target, routed)
    predictive = service.scale.predictive
    if predictive is not None:
        yield from _targets((*at, "predictive"), predictive, routed)
        if len(predictive.metrics()) != 1:
            yield Unplaced(path=(*at, "predictive"), message="needs exactly one of cpu, memory, requests", on_key=True)
    yield from _autoscalers(at, service.scale, routed)
    yield from _objective(at, service.scale, routed)
    for direction, index, rule in service.scale.rules():
        path = (*at, direction, index)
        yield from _rule(path, direction, rule)
        if rule.when[0] is Metric.REQUESTS and not routed:
            yield _unrouted((*path, "when"))
    yield from _opposed(at, service.scale)
    yield from _schedules((*at, "schedule"), service, timezones)


def _targets(at: Path, targets: TargetsTable, routed: bool) -> Iterator[Unplaced]:
    if targets.requests is not None and not routed:
        yield _unrouted((*at, Metric.REQUESTS))


def _autoscalers(at: Path, scale: ScaleTable, routed: bool) -> Iterator[Unplaced]:
    for name, table, wanted in (("hpa", scale.hpa, "cpu, memory, requests"), ("kpa", scale.kpa, "concurrency, rps")):
        if table is None:
            continue
        if len(table.metrics()) != 1:
            yield Unplaced(path=(*at, name), message=f"needs exactly one of {wanted}", on_key=True)
        for key in ("requests", "concurrency", "rps"):
            if not routed and getattr(table, key, None) is not None:
                yield _unrouted((*at, name, key))


def _objective(at: Path, scale: ScaleTable, routed: bool) -> Iterator[Unplaced]:
    if scale.adaptive is not None and not routed:
        yield Unplaced(
            path=(*at, "adaptive", "slo"),
            message=f"the service has no {scale.adaptive.slo[0]}: without routes nobody measures it",
            hint="use cpu or memory of another policy",
            also=((*at[:2], "routes"),),
        )


def _unrouted(path: Path) -> Unplaced:
    return Unplaced(
        path=path,
        message="counts requests, but the service has no routes",
        hint="use cpu or memory",
        also=((*path[:2], "routes"),),
    )


def _rule(path: Path, direction: str, rule: RuleTable) -> Iterator[Unplaced]:
    _, comparison, _ = rule.when
    if comparison.upward is not (direction == "out"):
        wanted = "> or >=" if direction == "out" else "< or <="
        yield Unplaced(path=(*path, "when"), message=f"an {direction} rule needs {wanted}, found {comparison}")
    change = "add" if direction == "out" else "remove"
    written = [key for key in (change, "set", "steps") if getattr(rule, key) is not None]
    if len(written) != 1:
        yield Unplaced(path=path, message=f"needs exactly one of {change}, set, steps", on_key=True)
    elif written == ["steps"]:
        yield from _steps((*path, "steps"), change, rule)


def _steps(path: Path, change: str, rule: RuleTable) -> Iterator[Unplaced]:
    steps = [step for step, _ in rule.parts()]
    for index, step in enumerate(steps):
        if (step.change() is None) is (step.set is None):
            yield Unplaced(path=(*path, index), message=f"needs exactly one of {change}, set", on_key=True)
        if step.from_ is not None and step.to is not None and step.from_ >= step.to:
            yield Unplaced(path=(*path, index, "to"), message="must be above `from`")
    if len({adjustment(step) for step in steps}) > 1:
        yield Unplaced(path=path, message="must all be numbers, all percentages or all `set`, as on AWS", on_key=True)
    yield from _bounds(path, steps, rule)


def _bounds(path: Path, steps: list[StepTable], rule: RuleTable) -> Iterator[Unplaced]:
    """Steps go outwards from the threshold without gap or overlap; only the outermost is open-ended."""
    metric, comparison, threshold = rule.when
    up = comparison.upward
    edges = sorted(
        (step.from_ or 0.0, float("inf") if step.to is None else step.to, index) for index, step in enumerate(steps)
    )
    for (_, end, _), (start, _, index) in pairwise(edges):
        if start != end:
            what = "leave a gap at" if end < start else "overlap from"
            edge = units.threshold_text(metric, min(start, end))
            yield Unplaced(path=(*path, index), message=f"steps {what} {edge}", on_key=True)
    inner, outer = (edges[0], edges[-1]) if up else (edges[-1], edges[0])
    if up and inner[0] != threshold and steps[inner[2]].from_ is not None:
        yield Unplaced(path=(*path, inner[2], "from"), message=_from_threshold(metric, threshold))
    if not up and inner[1] != threshold and steps[inner[2]].to is not None:
        yield Unplaced(path=(*path, inner[2], "to"), message=_from_threshold(metric, threshold))
    if (steps[outer[2]].to if up else steps[outer[2]].from_) is not None:
        key = "to" if up else "from"
        yield Unplaced(
            path=(*path, outer[2], key), message=f"the last step must be open-ended: omit `{key}`", on_key=True
        )


def _from_threshold(metric: Metric, threshold: float) -> str:
    return f"steps must begin at the threshold, {units.threshold_text(metric, threshold)}"


def _opposed(at: Path, scale: ScaleTable) -> Iterator[Unplaced]:
    """An out and an in rule that hold at once would make the capacity swing."""
    rules = scale.rules()
    for direction, index, rule in rules:
        metric, comparison, threshold = rule.when
        if direction != "in" or comparison.upward:
            continue
        for other_direction, _, other in rules:
            other_metric, other_comparison, limit = other.when
            if other_direction == "out" and other_metric is metric and other_comparison.upward and threshold > limit:
                values = units.threshold_text(metric, threshold), units.threshold_text(metric, limit)
                yield Unplaced(
                    path=(*at, direction, index, "when"),
                    message=f"scales in below {values[0]} while another rule scales out above {values[1]}",
                    hint="put the in rule below the out rule",
                )
                break


def _schedules(at: Path, service: ServiceTable, timezones: Collection[str] | None) -> Iterator[Unplaced]:
    actions = (service.scale and service.scale.schedule) or []
    bounds = (service.instances or InstancesTable()).resolve()
    low = min([bounds.min, *(action.min for action in actions if action.min is not None)])
    high = max([bounds.max, *(action.max for action in actions if action.max is not None)])
    for index, action in enumerate(actions):
        own = list(_schedule((*at, index), action, timezones))
        yield from own
        if not own and action.max is None and action.min is not None and action.min > high:
            yield Unplaced(path=(*at, index, "min"), message=f"{action.min} is above max {high} of `instances`")
        if not own and action.min is None and action.max is not None and action.max < low:
            yield Unplaced(path=(*at, index, "max"), message=f"{action.max} is below min {low} of `instances`")


def _schedule(path: Path, action: ScheduleTable, timezones: Collection[str] | None) -> Iterator[Unplaced]:
    if (action.cron is None) is (action.at is None):
        yield Unplaced(path=path, message="needs exactly one of cron, at", on_key=True)
    if action.min is None and action.max is None and action.desired is None:
        yield Unplaced(path=path, message="needs min, max or desired", on_key=True)
    if action.min is not None and action.max is not None and action.max < action.min:
        yield Unplaced(path=(*path, "max"), message=f"{action.max} is below min {action.min}")
    if action.desired is not None:
        low, high = action.min or 0, action.desired if action.max is None else action.max
        if not low <= action.desired <= high:
            yield Unplaced(path=(*path, "desired"), message=f"{action.desired} is not within its own min and max")
    if timezones is not None and action.timezone is not None and action.timezone not in timezones:
        close = get_close_matches(action.timezone, timezones, n=1)
        yield Unplaced(
            path=(*path, "timezone"),
            message=f"unknown time zone {action.timezone!r}",
            hint=f"did you mean `{close[0]}`?" if close else "",
        )
