"""The dashboard of an application with regions: how each is and who is served where; and the edge's `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from flyball.core.model import Application
from flyball.regions import api
from flyball.regions.edge import Edge

from .panel import Panel, guarded
from .prometheus import CONTENT_TYPE, firewall_family

STATIC = Path(__file__).parent / "static"


def open_panel(edge: Edge, read: Callable[[], Application]) -> Panel:
    """Bind the dashboard's port and put the page, the edge's API and its metrics behind the guard."""
    app = api.create(edge, read)
    _add_page(app, edge)
    return guarded(app, edge.journal)


def _add_page(app: FastAPI, edge: Edge) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "regions.html", media_type="text/html; charset=utf-8")

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(text(await edge.described()), media_type=CONTENT_TYPE)

    app.mount("/static", StaticFiles(directory=STATIC))


def text(told: Mapping[str, Any]) -> bytes:
    """What the edge tells, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Told(told))
    return generate_latest(registry)


class _Told:
    """A collector of one look."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def collect(self) -> Iterable[Family]:
        """All families."""
        healthy = GaugeMetricFamily("flyball_region_healthy", "1: the region passes its check.", labels=["region"])
        for one in self._told["regions"]:
            healthy.add_metric([one["name"]], float(one["health"] == "healthy"))
        yield healthy
        yield firewall_family(self._told["firewall"])
        for name, key, help_ in (
            ("flyball_region_requests", "requests", "Requests, by the region nearest to the visitor and who served."),
            ("flyball_region_errors", "errors", "Of those, answered with 500 and above, or not at all."),
        ):
            family = GaugeMetricFamily(name, help_, labels=["nearest", "region"])
            for one in self._told["served"]:
                family.add_metric([one["nearest"], one["region"]], one[key])
            yield family
        for name, key, help_ in (
            ("flyball_replication_waiting", "waiting", "Objects that a region does not have yet."),
            ("flyball_replication_lag_seconds", "lag_s", "For how long the oldest of them waits."),
        ):
            family = GaugeMetricFamily(name, help_, labels=["store", "region"])
            for one in self._told["replication"]:
                family.add_metric([one["store"], one["region"]], one[key])
            yield family
