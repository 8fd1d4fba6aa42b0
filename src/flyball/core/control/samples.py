"""What does one tick of a service add to each metric?

Rule: an amount is a total and its weight; a datapoint is the sum of totals over the sum of weights. cpu, memory: the
average over measured instances. requests: per measured instance and minute; zero is a real value. errors: percent of
all requests; latency: average of the samples' percentiles; both are missing without requests. concurrency: requests in
flight to instances in service, and those that wait in the balancer. offered: requests a second that were sent to an
instance, joined those that wait, or were refused.

AWS: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
Ours: `measured` are the instances that were in service for the whole of the sample, so the burst of a starting program
is not counted; the caller leaves out warming ones. One that gave no sample counts as an average one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flyball.core.model import Metric

from .observation import InstanceSample, LatencySample, QueueSample

Amount = tuple[float, float]
NOTHING: Amount = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One tick of one service: samples of its measured instances, what all answered, its latency.

    `measured` and `in_service`: how many are measured, and take requests; `in_flight` to these. `waiting` in
    the balancer, `turned_away` by it. `wanted`: whether any instance is wanted at all. `known`: instances served and
    some were sampled, or none served.
    """

    samples: tuple[InstanceSample, ...]
    measured: int
    in_service: int
    in_flight: int
    waiting: int
    turned_away: int
    wanted: bool
    known: bool
    requests: int
    errors: int
    latency: LatencySample | None

    def amounts(self, sample_s: float, waited: int) -> Mapping[Metric, Amount]:
        """What the tick, which covers `sample_s`, adds to each metric; `waited` did so at its beginning."""
        latency = self.latency
        offered = max(self.requests + self.turned_away + self.waiting - waited, 0)
        return {
            Metric.CPU: _average([one.cpu_percent for one in self.samples]),
            Metric.MEMORY: _average([one.memory_percent for one in self.samples]),
            Metric.REQUESTS: self._per_instance(sample_s / 60),
            Metric.ERRORS: (100.0 * self.errors, float(self.requests)),
            Metric.P50: NOTHING if latency is None else (latency.p50_ms, 1.0),
            Metric.P95: NOTHING if latency is None else (latency.p95_ms, 1.0),
            Metric.P99: NOTHING if latency is None else (latency.p99_ms, 1.0),
            Metric.CONCURRENCY: (float(self.in_flight + self.waiting), 1.0),
            Metric.OFFERED: (float(offered), sample_s) if self.known else NOTHING,
        }

    def _per_instance(self, minutes: float) -> Amount:
        if not self.wanted and self.latency is not None:
            return 1.0, minutes  # requests arrive and nobody takes them: more than zero, which is all we know
        return float(sum(one.requests for one in self.samples)), len(self.samples) * minutes


def _average(values: list[float | None]) -> Amount:
    real = [value for value in values if value is not None]
    return sum(real), float(len(real))


def sample_of(
    instances: tuple[InstanceSample, ...],
    *,
    measured: Collection[str],
    in_service: int,
    wanted: bool,
    in_flight: int = 0,
    queue: QueueSample | None = None,
    latency: LatencySample | None,
) -> Sample:
    """The tick of a service whose instances have these samples and of which these are measured."""
    return Sample(
        samples=tuple(one for one in instances if one.id in measured),
        measured=len(measured),
        in_service=in_service,
        in_flight=in_flight,
        waiting=0 if queue is None else queue.waiting,
        turned_away=0 if queue is None else queue.turned_away,
        wanted=wanted,
        known=bool(instances) or in_service == 0,
        requests=sum(one.requests for one in instances),
        errors=sum(one.errors for one in instances),
        latency=latency,
    )
