"""When an instance may receive traffic: the target group's health check.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
A new target needs one passed check; `healthy_threshold` applies to the return from unhealthy.
AWS's defaults are 30 s / 5 s / 5 / 2 and status 200. Here the interval is 5 s and two passed checks bring a target
back, because somebody is waiting for it, and any status from 200 to 299 passes. The timeout is 4 s, because AWS
refuses one that is not below the interval.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """`grace_s` is AWS's health check grace period: the time after launch when failing checks are ignored."""

    path: str = "/"
    interval_s: float = 5.0
    timeout_s: float = 4.0
    healthy_threshold: int = 2
    unhealthy_threshold: int = 2
    grace_s: float = 30.0
    status_min: int = 200
    status_max: int = 299
