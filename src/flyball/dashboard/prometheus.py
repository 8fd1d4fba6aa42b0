"""`/metrics`: the application in Prometheus' format. docs/reference/metrics.md lists every name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric as Family

from flyball.core.control.alarms import AlarmState
from flyball.core.control.reasons import Event
from flyball.core.model import Metric
from flyball.core.view.shapes import RefusalJson
from flyball.core.view.views import ServiceView
from flyball.local.runtime.runtime import Runtime

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """A collector over one runtime. It counts decisions since it was made."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        runtime.listeners.add(self._heard)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> list[Family]:
        """Nothing, so that the registry does not collect at once."""
        return []

    def collect(self) -> Iterator[Family]:
        """All families."""
        seen = self._runtime.view()
        yield InfoMetricFamily(
            "flyball", "The application.", value={"application": seen.name, "version": version("flyball")}
        )
        decisions = CounterMetricFamily(
            "flyball_decisions", "Decisions since the control plane started, by kind.", labels=["service", "kind"]
        )
        for (service, kind), count in sorted(self._decisions.items()):
            decisions.add_metric([service, kind], count)
        yield decisions
        yield firewall_family(self._runtime.refusals.told(self._runtime.app.listener.firewall))
        yield from _service_families(seen.services)
        yield from _instance_families(seen.services)

    def _heard(self, event: Event) -> None:
        self._decisions[event.reason.service, event.reason.kind.value] += 1


def firewall_family(refused: Iterable[RefusalJson]) -> Family:
    """What the rules of the firewall have matched."""
    family = CounterMetricFamily(
        "flyball_firewall_requests", "Requests that a rule of the firewall matched.", labels=["rule", "action"]
    )
    for one in refused:
        family.add_metric([one["rule"], str(one["action"])], one["requests"])
    return family


_OF_SERVICES: tuple[tuple[str, str, Callable[[ServiceView], float | None]], ...] = (
    ("flyball_capacity_min", "Fewest instances that policies may want.", lambda of: of.capacity.min),
    ("flyball_capacity_max", "Most instances that policies may want.", lambda of: of.capacity.max),
    ("flyball_capacity_desired", "Instances wanted now.", lambda of: of.capacity.desired),
    ("flyball_capacity_in_service", "Instances in service.", lambda of: of.capacity.in_service),
    ("flyball_requests_per_second", "Requests in the last datapoint.", lambda of: of.metrics.requests_per_s),
    ("flyball_errors_per_second", "Requests answered 5xx or not at all.", lambda of: of.metrics.errors_per_s),
    ("flyball_waiting", "Requests that wait in the balancer for an instance.", lambda of: of.metrics.waiting),
    ("flyball_turned_away", "Requests that the queue answered 503 lately.", lambda of: of.metrics.turned_away),
    ("flyball_cpu_ratio", "Use of the reserved CPU; 1 is all of it.", lambda of: _ratio(of, Metric.CPU)),
    ("flyball_memory_ratio", "Use of the reserved memory.", lambda of: _ratio(of, Metric.MEMORY)),
)


def _ratio(of: ServiceView, metric: Metric) -> float | None:
    percent = of.metrics.of(metric)
    return None if percent is None else percent / 100.0


def _service_families(services: Sequence[ServiceView]) -> Iterator[Family]:
    for name, text, value_of in _OF_SERVICES:
        gauge = GaugeMetricFamily(name, text, labels=["service"])
        for service in services:
            value = value_of(service)
            if value is not None:
                gauge.add_metric([service.of.name], value)
        yield gauge
    latency = GaugeMetricFamily(
        "flyball_latency_seconds", "Latency of the last datapoint's requests.", labels=["service", "quantile"]
    )
    waited = GaugeMetricFamily(
        "flyball_waited_seconds", "How long those requests waited that had to.", labels=["service", "quantile"]
    )
    release = GaugeMetricFamily("flyball_release", "The release that serves.", labels=["service"])
    rollout = GaugeMetricFamily(
        "flyball_rollout", "1 while a rollout is in this phase.", labels=["service", "phase", "to_release"]
    )
    alarms = GaugeMetricFamily("flyball_alarm", "1 while the alarm is in ALARM.", labels=["service", "alarm"])
    for service in services:
        name, metrics = service.of.name, service.metrics
        quantiles = {"0.50": Metric.P50, "0.95": Metric.P95, "0.99": Metric.P99}
        _add_quantiles(latency, name, {quantile: metrics.of(metric) for quantile, metric in quantiles.items()})
        _add_quantiles(waited, name, {"0.50": metrics.waited_p50_ms, "0.99": metrics.waited_p99_ms})
        release.add_metric([name], service.release or 0)
        if service.rollout is not None:
            rollout.add_metric([name, service.rollout.of.phase, str(service.rollout.of.to_release)], 1)
        for alarm in service.alarms:
            alarms.add_metric([name, alarm.rule.name], float(alarm.state is AlarmState.ALARM))
    yield from (latency, waited, release, rollout, alarms)


def _add_quantiles(family: GaugeMetricFamily, service: str, ms: Mapping[str, float | None]) -> None:
    for quantile, value in ms.items():
        if value is not None:
            family.add_metric([service, quantile], value / 1000.0)


def _instance_families(services: Sequence[ServiceView]) -> Iterator[Family]:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    labels = ["service", "instance"]
    cpu = GaugeMetricFamily("flyball_instance_cpu_ratio", "Use of the instance's reserved CPU.", labels=labels)
    memory = GaugeMetricFamily("flyball_instance_memory_bytes", "Memory of the instance.", labels=labels)
    in_flight = GaugeMetricFamily("flyball_instance_in_flight", "Requests not answered yet.", labels=labels)
    for service in services:
        for one in service.instances:
            key = [service.of.name, one.of.id]
            counts[service.of.name, str(one.of.release), one.of.lifecycle.value, one.of.health.value] += 1
            in_flight.add_metric(key, one.of.in_flight)
            if one.cpu_percent is not None:
                cpu.add_metric(key, one.cpu_percent / 100.0)
            if one.memory_bytes is not None:
                memory.add_metric(key, one.memory_bytes)
    instances = GaugeMetricFamily(
        "flyball_instances", "Instances by state.", labels=["service", "release", "lifecycle", "health"]
    )
    for group, count in sorted(counts.items()):
        instances.add_metric(list(group), count)
    yield from (instances, cpu, memory, in_flight)
