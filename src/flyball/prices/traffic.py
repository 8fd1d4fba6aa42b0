"""What do requests make AWS count: capacity units of the balancer, gigabytes, reads and writes of stores?

A load balancer capacity unit (LCU) holds 25 new connections a second, 3000 active ones, 1 GB an hour and 1000 rule
evaluations a second, of which the first ten rules of each request are free. The dimension that needs most is paid.
https://aws.amazon.com/elasticloadbalancing/pricing/
"""

from __future__ import annotations

from dataclasses import dataclass

NEW_CONNECTIONS = 25.0
ACTIVE_CONNECTIONS = 3_000.0
BYTES_AN_HOUR = 1e9
RULE_EVALUATIONS = 1_000.0
FREE_RULES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What is assumed of one request. `connection_s`: how long a connection stays open; `log_bytes`: what it logs.

    `reads` and `writes` are those of each store that the service uses.
    """

    request_bytes: float = 1_000.0
    response_bytes: float = 10_000.0
    requests_per_connection: float = 10.0
    connection_s: float = 60.0
    log_bytes: float = 200.0
    reads: float = 1.0
    writes: float = 0.1

    @property
    def bytes(self) -> float:
        """Both ways."""
        return self.request_bytes + self.response_bytes


def capacity_units(
    *, new_connections_per_s: float, active_connections: float, bytes_per_s: float, requests_per_s: float, rules: int
) -> float:
    """LCUs while traffic is so."""
    return max(
        new_connections_per_s / NEW_CONNECTIONS,
        active_connections / ACTIVE_CONNECTIONS,
        bytes_per_s * 3_600 / BYTES_AN_HOUR,
        max(rules - FREE_RULES, 0) * requests_per_s / RULE_EVALUATIONS,
    )


def units_per_request(habits: Habits, *, rules: int) -> float:
    """LCU hours of one request: every dimension grows with the requests."""
    connections = 1.0 / habits.requests_per_connection
    of_one_per_s = capacity_units(
        new_connections_per_s=connections,
        active_connections=connections * habits.connection_s,
        bytes_per_s=habits.bytes,
        requests_per_s=1.0,
        rules=rules,
    )
    return of_one_per_s / 3_600
