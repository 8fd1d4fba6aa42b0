"""What Envoy says of itself, over its admin socket: is it ready, how is each instance, how long do requests take."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp

from flyball.core.latency import percentiles
from flyball.core.model.firewall import UNJUDGED

from .config.endpoints import THOUSANDTHS
from .config.types import Json

TIMEOUT_S = 2.0
USE = (
    r"^cluster\.[^.]+\.(upstream_rq_time|upstream_rq_pending_active|health_check\.(failure|network_failure))$"
    r"|^wasmcustom\.queue\."
)
FIREWALL = (
    r"^http\.ingress\.rbac\.firewall\.policy\.|^wasmcustom\.firewall\.|^http\.ingress\.ext_authz\.firewall\.error$"
    r"|^firewall_log\."
    r"|^rate_limit\.http_local_rate_limit\.rate_limited$"
)
WAITING = r"^cluster\.[^.]+\.upstream_rq_pending_active$|^wasmcustom\.queue\.[^.]+\.waiting$"
CONNECTIONS = r"^http\.ingress\.downstream_cx_active$"
QUEUE_STATS = "wasmcustom.queue."
REFUSALS = (
    r"(\.|^)(lds|cds|rds\.[^.]+)\.update_(rejected|failure)$|^cluster\.[^.]+\.update_(rejected|failure)$"
    r"|^extension_config_discovery\..*\.(config_fail|update_rejected|update_failure)$"
)
"""Endpoint files count under their cluster, routes under the listener's name."""

HEALTHY, UNHEALTHY, INITIAL = "healthy", "unhealthy", "initial"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStats:
    """An instance as Envoy sees it. Counters count from Envoy's start, or from when it first heard of the instance.

    `health` is what the health check says: initial until the first one is done. `draining` is Envoy's own knowledge,
    so it tells when a drain has reached it. `requests` were sent to the instance, `errors` of them ended with status
    500 or above or without an answer, `in_flight` are not answered yet. `timed_out`: it is unhealthy because its last
    check got no answer in time.
    """

    service: str
    instance: str
    health: str
    draining: bool
    requests: int
    errors: int
    in_flight: int
    weight: int
    timed_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What the requests of each service came to.

    `latencies`: service -> {"p50", "p95", "p99"} in ms since the last time, waiting included; services without requests
    are absent. `waiting`: service -> requests that wait for an instance now. `waited`: as `latencies`, how long those
    waited in the queue that had to. The others are counted since Envoy's start, by service: `turned_away`, requests
    that the queue had no room or no time for; `ended`, those of a service with a queue that ended at an instance, which
    had them for `inside_ms` altogether; `wrong`, health checks that got a wrong answer.
    """

    latencies: Mapping[str, Mapping[str, float]]
    waiting: Mapping[str, int]
    waited: Mapping[str, Mapping[str, float]]
    turned_away: Mapping[str, int]
    wrong: Mapping[str, int]
    ended: Mapping[str, int] = field(default_factory=dict)
    inside_ms: Mapping[str, int] = field(default_factory=dict)


class Admin:
    """Envoy's admin interface on the Unix socket `socket`. Close it.

    While Envoy is away the questions raise OSError or TimeoutError, and ValueError on an answer that is none; only
    `ready` then says False.
    """

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None
        self._histograms: dict[tuple[str, str], dict[float, int]] = {}

    async def ready(self) -> bool:
        """Whether Envoy has its configuration and listens; when its port is taken it still calls itself live."""
        try:
            return (await self._ask("/ready")).strip() == b"LIVE" and bool(await self._ask("/listeners"))
        except (OSError, TimeoutError, ValueError):
            return False

    async def answers(self) -> bool:
        """Whether Envoy answers at all within the deadline, ready or not."""
        try:
            await self._ask("/ready")
        except (OSError, TimeoutError):
            return False
        return True

    async def targets(self) -> tuple[TargetStats, ...]:
        """Every instance of every service, sorted by service and instance."""
        found = await self._json("/clusters?format=json")
        targets = [target for cluster in found.get("cluster_statuses", []) for target in _targets(cluster)]
        return tuple(sorted(targets, key=lambda target: (target.service, target.instance)))

    async def use(self) -> Use:
        """What the requests of each service came to since this object's last call, or since Envoy started."""
        await self._ask("/stats?filter=^$")  # makes Envoy sum up its threads' histograms for the next question
        found = await self._json(f"/stats?format=json&histogram_buckets=cumulative&filter={quote(USE)}")
        before, self._histograms = self._histograms, _histograms(found)
        passed = {
            key: percentiles(_earlier(before.get(key, {}), after), after)
            for key, after in sorted(self._histograms.items())
        }
        took, queued, waited = (
            {service: values for (service, stat), values in passed.items() if stat == what and values is not None}
            for what in ("upstream_rq_time", "queue.took_ms", "queue.waited_ms")
        )
        pending, waiting, full, late, ended, inside, failures, silent = (
            Counter(_numbers(found, what))
            for what in (
                "upstream_rq_pending_active",
                "queue.waiting",
                "queue.full",
                "queue.late",
                "queue.ended",
                "queue.inside_ms",
                "health_check.failure",
                "health_check.network_failure",
            )
        )
        return Use(
            latencies={**took, **queued},
            waiting=dict(sorted((pending + waiting).items())),
            waited=waited,
            turned_away=dict(sorted((full + late).items())),
            wrong={service: count - silent[service] for service, count in failures.items()},
            ended=ended,
            inside_ms=inside,
        )

    async def matched(self) -> dict[str, int]:
        """Rule of the firewall -> requests that it has matched since Envoy started; only those that matched any."""
        found = await self._json(f"/stats?format=json&filter={quote(FIREWALL)}")
        counts: Counter[str] = Counter()
        for stat in found.get("stats", []):
            before, _, last = stat.get("name", "").rpartition(".")
            if last == "error":
                counts[UNJUDGED] += int(stat["value"])
            elif last in {"denied", "shadow_denied"}:
                counts[before.rpartition(".")[2]] += int(stat["value"])
            elif before.startswith(("wasmcustom", "firewall_log")) or last == "rate_limited":
                counts["rate" if last == "rate_limited" else last] += int(stat["value"])
        return {rule: count for rule, count in sorted(counts.items()) if count}

    async def waiting(self) -> Mapping[str, int]:
        """How many requests of each service wait for an instance now."""
        found = await self._json(f"/stats?format=json&filter={quote(WAITING)}")
        pending, waiting = (Counter(_numbers(found, what)) for what in ("upstream_rq_pending_active", "queue.waiting"))
        return pending + waiting

    async def rejected(self) -> int:
        """How many times Envoy refused a file it was given, and kept what it had."""
        found = await self._json(f"/stats?format=json&filter={quote(REFUSALS)}")
        return sum(int(stat["value"]) for stat in found.get("stats", []) if "value" in stat)

    async def drained(self, *, within_s: float) -> None:
        """Ask for its connections to end, and wait until it has none; that long at most."""
        with contextlib.suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(within_s):
                await self._ask("/drain_listeners?graceful", post=True)
                while await self._connections():
                    await asyncio.sleep(0.1)

    async def _connections(self) -> int:
        found = await self._json(f"/stats?format=json&filter={quote(CONNECTIONS)}")
        return sum(int(stat["value"]) for stat in found.get("stats", []))

    async def close(self) -> None:
        """Let go of the socket; Envoy keeps running."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _json(self, path: str) -> Json:
        found: Json = json.loads(await self._ask(path))
        return found

    async def _ask(self, path: str, *, post: bool = False) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(path=self._socket), timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)
            )
        try:
            async with self._session.request("POST" if post else "GET", "http://envoy" + path) as response:
                return await response.read()
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error


def _targets(cluster: Json) -> Iterator[TargetStats]:
    if "eds_service_name" not in cluster:
        return  # the collector of traces
    for host in cluster.get("host_statuses", []):
        health = host.get("health_status", {})
        counters = {stat["name"]: int(stat.get("value", 0)) for stat in host.get("stats", [])}
        yield TargetStats(
            service=cluster["name"],
            instance=host.get("hostname", ""),
            health=_health(health),
            draining=health.get("eds_health_status") == "DRAINING",
            requests=counters.get("rq_total", 0),
            errors=counters.get("rq_error", 0),
            in_flight=counters.get("rq_active", 0),
            weight=int(host.get("weight", THOUSANDTHS)) // THOUSANDTHS,
            timed_out=bool(health.get("active_hc_timeout")),
        )


def _health(status: Json) -> str:
    """A host that Envoy ejected for a while because of failed connections is not unhealthy: its checks decide."""
    if status.get("pending_active_hc"):
        return INITIAL
    return UNHEALTHY if status.get("failed_active_health_check") else HEALTHY


def _stat(name: str) -> tuple[str, str]:
    """The service that a statistic is of, and what it tells: of its cluster, or of its queue."""
    if name.startswith(QUEUE_STATS):
        service, what = name.removeprefix(QUEUE_STATS).split(".")
        return service, f"queue.{what}"
    _, service, what = name.split(".", 2)
    return service, what


def _numbers(found: Json, what: str) -> dict[str, int]:
    """Service -> this counter or gauge, those that are 0 too."""
    named = [(*_stat(one["name"]), one["value"]) for one in found.get("stats", []) if "value" in one]
    return {service: int(value) for service, stat, value in sorted(named) if stat == what}


def _histograms(found: Json) -> dict[tuple[str, str], dict[float, int]]:
    """Service and statistic -> (upper edge in ms -> samples at or below it)."""
    return {
        _stat(histogram["name"]): {float(one["upper_bound"]): int(one["cumulative"]) for one in histogram["buckets"]}
        for stat in found.get("stats", [])
        for histogram in stat.get("histograms", ())
    }


def _earlier(before: Mapping[float, int], after: Mapping[float, int]) -> Mapping[float, int]:
    """Envoy was started again when it counts less than before: then nothing was before."""
    return {} if any(after.get(edge, 0) < count for edge, count in before.items()) else before
