"""Rows of the regions and of the edge before them."""

from __future__ import annotations

from .row import PARTS, no, on_aws, yes

HERE_ONLY = no("visitors are where they are; Route 53 asks their resolver")

ROWS = (
    on_aws("Application.regions", PARTS, PARTS),
    on_aws("Application.edge", PARTS, PARTS),
    on_aws("Application.region", yes("FLYBALL_REGION of its instances"), yes("the stack's region")),
    on_aws("Region.name", yes("state directory, x-flyball-region"), yes("a stack, part of its name")),
    on_aws("Region.zones", yes("labels of the instances there"), yes("subnets of that stack")),
    on_aws("Region.weight", yes("weighted clusters of the edge"), yes("Weight of the record")),
    on_aws("Region.serves", yes("routes of the edge, by x-flyball-from"), yes("GeoLocation of the records")),
    on_aws("Region.services", PARTS, PARTS),
    on_aws("RegionService.name", yes("the service it overlays"), yes("the service it overlays")),
    on_aws("RegionService.size", yes("limits of the instances there"), yes("size of the instances there")),
    on_aws("RegionService.capacity", yes("bounds there"), yes("bounds there")),
    on_aws("Edge.routing", yes("routes and priorities of the edge"), yes("Region, GeoLocation, Failover or Weight")),
    on_aws("Edge.health", PARTS, PARTS),
    on_aws("Edge.sources", yes("filter chains of the edge"), HERE_ONLY),
    on_aws("Edge.distances", yes("delays of the edge"), no("the distances are real there", accepted=(True,))),
    on_aws("Edge.pause_s", yes("between two regions of a deploy"), yes("between two regions of a deploy")),
    on_aws(
        "Edge.return_s",
        yes("shares of the edge's clusters"),
        no("the answers of Route 53 end one after the other within a minute"),
    ),
    on_aws("RegionHealth.path", yes("the edge's health check"), yes("ResourcePath")),
    on_aws(
        "RegionHealth.interval_s", yes("the edge's health check"), yes("RequestInterval: 10 s, or 30 s from 30 s on")
    ),
    on_aws(
        "RegionHealth.timeout_s",
        yes("the edge's health check"),
        no("Route 53 waits 2 s for an answer, after 4 s to connect"),
    ),
    on_aws(
        "RegionHealth.healthy_threshold",
        yes("the edge's health check"),
        no("Route 53 counts to FailureThreshold in both directions", accepted=(2,)),
    ),
    on_aws("RegionHealth.unhealthy_threshold", yes("the edge's health check"), yes("FailureThreshold")),
)
