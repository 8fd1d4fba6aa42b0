"""`/metrics`: the application in Prometheus' format. docs/reference/metrics.md lists every name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from flyball.local.record.journal import Event
from flyball.local.runtime import Runtime

from .snapshot import snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """A collector over one runtime. It counts decisions since it was made."""

    def __init__(self, runtime: Runtime, control: dict[str, Any]) -> None:
        self._runtime = runtime
        self._control = control
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        runtime.listeners.add(self._heard)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing, so that the registry does not collect at once."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families."""
        runtime = self._runtime
        seen = snapshot(runtime, self._control, scalings={}, p95_ms={}, now=runtime.clock.now())
        yield InfoMetricFamily(
            "flyball", "The application.", value={"application": seen["application"], "version": version("flyball")}
        )
        decisions = CounterMetricFamily(
            "flyball_decisions", "Decisions since the control plane started, by kind.", labels=["service", "kind"]
        )
        for (service, kind), count in sorted(self._decisions.items()):
            decisions.add_metric([service, kind], count)
        yield decisions
        yield from _service_families(seen["services"])
        yield from _instance_families(seen["services"])

    def _heard(self, event: Event) -> None:
        self._decisions[event.reason.service, event.reason.kind.value] += 1


_OF_SERVICES = (
    ("flyball_capacity_min", "Fewest instances that policies may want.", ("capacity", "min"), 1.0),
    ("flyball_capacity_max", "Most instances that policies may want.", ("capacity", "max"), 1.0),
    ("flyball_capacity_desired", "Instances wanted now.", ("capacity", "desired"), 1.0),
    ("flyball_capacity_in_service", "Instances in service.", ("capacity", "in_service"), 1.0),
    ("flyball_requests_per_second", "Requests in the last second.", ("metrics", "requests_per_second"), 1.0),
    ("flyball_errors_per_second", "Requests answered 5xx or not at all.", ("metrics", "errors_per_second"), 1.0),
    ("flyball_cpu_ratio", "Average use of the reserved CPU; 1 is all of it.", ("metrics", "cpu_percent"), 0.01),
    ("flyball_memory_ratio", "Average use of the reserved memory.", ("metrics", "memory_percent"), 0.01),
)


def _service_families(services: list[dict[str, Any]]) -> Iterator[Metric]:
    for name, text, (table, key), factor in _OF_SERVICES:
        gauge = GaugeMetricFamily(name, text, labels=["service"])
        for service in services:
            if service[table][key] is not None:
                gauge.add_metric([service["name"]], service[table][key] * factor)
        yield gauge
    latency = GaugeMetricFamily(
        "flyball_latency_seconds", "Latency of the last second's requests.", labels=["service", "quantile"]
    )
    release = GaugeMetricFamily("flyball_release", "The release that serves.", labels=["service"])
    rollout = GaugeMetricFamily(
        "flyball_rollout", "1 while a rollout is in this phase.", labels=["service", "phase", "to_release"]
    )
    alarms = GaugeMetricFamily("flyball_alarm", "1 while the alarm is in ALARM.", labels=["service", "alarm"])
    for service in services:
        for quantile, value in service["metrics"]["latency_ms"].items():
            if value is not None:
                latency.add_metric([service["name"], f"0.{quantile.removeprefix('p')}"], value / 1000.0)
        release.add_metric([service["name"]], service["release"] or 0)
        if service["rollout"] is not None:
            labels = [service["name"], service["rollout"]["phase"], str(service["rollout"]["to"])]
            rollout.add_metric(labels, 1)
        for alarm in service["alarms"]:
            alarms.add_metric([service["name"], alarm["name"]], float(alarm["state"] == "ALARM"))
    yield from (latency, release, rollout, alarms)


def _instance_families(services: list[dict[str, Any]]) -> Iterator[Metric]:
    counts: Counter[tuple[str, str, str, str]] = Counter()
    labels = ["service", "instance"]
    cpu = GaugeMetricFamily("flyball_instance_cpu_ratio", "Use of the instance's reserved CPU.", labels=labels)
    memory = GaugeMetricFamily("flyball_instance_memory_bytes", "Memory of the instance.", labels=labels)
    in_flight = GaugeMetricFamily("flyball_instance_in_flight", "Requests not answered yet.", labels=labels)
    for service in services:
        for one in service["instances"]:
            key = [service["name"], one["id"]]
            counts[service["name"], str(one["release"]), one["lifecycle"], one["health"]] += 1
            in_flight.add_metric(key, one["in_flight"])
            if one["cpu_percent"] is not None:
                cpu.add_metric(key, one["cpu_percent"] / 100.0)
            if one["memory_bytes"] is not None:
                memory.add_metric(key, one["memory_bytes"])
    instances = GaugeMetricFamily(
        "flyball_instances", "Instances by state.", labels=["service", "release", "lifecycle", "health"]
    )
    for group, count in sorted(counts.items()):
        instances.add_metric(list(group), count)
    yield from (instances, cpu, memory, in_flight)
