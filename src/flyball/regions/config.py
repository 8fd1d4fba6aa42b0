"""The files that feed the edge's Envoy: for each order of regions a cluster, whose priorities are that order.

A request goes to the first region that passes its health check; which order counts for it, its visitor's place tells.
All of that is in Envoy: visitors are led elsewhere also while the edge's control plane is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from flyball.core.model import Application, HealthCheck, Service
from flyball.core.model.distances import PLACES
from flyball.core.model.edge import Order, edge_health_path, shares
from flyball.core.model.regions import Continent
from flyball.local.envoy.config import tracing
from flyball.local.envoy.config.bootstrap import CLUSTERS_FILE, LISTENERS_FILE
from flyball.local.envoy.config.clusters import cluster, endpoints_file
from flyball.local.envoy.config.connections import Connections
from flyball.local.envoy.config.core_rules import core_rules_cluster
from flyball.local.envoy.config.endpoints import taking
from flyball.local.envoy.config.listener import ROUTES_FILE, TO_HTTPS_FILE, listener
from flyball.local.envoy.config.matches import REPEATABLE
from flyball.local.envoy.config.redirects import response_header
from flyball.local.envoy.config.resources import discovery
from flyball.local.envoy.config.routes import ROUTES, behaviour, client_address, everything_to_https
from flyball.local.envoy.config.secrets import SECRETS_FILE, secret
from flyball.local.envoy.config.types import Json, extension, typed

from . import delays

FROM_HEADER = "x-flyball-from"
REGION_HEADER = "x-flyball-region"


@dataclass(frozen=True, slots=True, order=True)
class Lead:
    """Regions in the order in which they are tried; with distances also from where.

    `home`: the region whose visitors these are, while it does not take them yet.
    """

    order: Order
    place: str | None = None
    home: str | None = None

    @property
    def name(self) -> str:
        """The name of its cluster."""
        name = "_".join(self.order) + ("" if self.home is None else f"+{self.home}")
        return name + ("" if self.place is None else f"@{self.place}")

    @property
    def elsewhere(self) -> Lead:
        """The same visitors while their region is coming back: it is tried last."""
        home, *others = self.order
        return Lead((*others, home), self.place, home) if others else self


Leads = tuple[tuple[Lead, int], ...]
NOBODY: Mapping[str, int] = MappingProxyType({})


def files(
    app: Application,
    ports: Mapping[str, int],
    *,
    directory: str,
    sockets: str,
    port: int,
    access_log: str,
    certificate: tuple[str, str] | None,
    limits: Connections,
    challenges: Mapping[str, str] = MappingProxyType({}),
    core_rules: str | None = None,
    returning: Mapping[str, int] = NOBODY,
) -> dict[str, Json]:
    """File name -> content. `ports`: where each region's balancer listens; the other regions get nobody.

    `sockets` is where the ways with a delay have theirs, `core_rules` that of the judge; `challenges` are what a
    certificate authority asks for.
    `returning`: regions that do not get all of their visitors, and how many percent. What they need meanwhile is
    always there: a cluster must know who is healthy before it serves.
    """
    leads = led(app, tuple(ports))
    known = {one.name: one for found in leads.values() for lead, _ in found for one in (lead, lead.elsewhere)}
    ways = delays.ways({lead.place: lead.order for lead in known.values() if lead.place is not None}, sockets)
    door = replace(app, services=(), stores=())
    entrance = listener(door, directory=directory, port=port, access_log=access_log, secure=certificate is not None)
    ends = sorted({way.region for way in ways.values()})
    contents: dict[str, list[Json]] = {
        **{endpoints_file(name): [_endpoints(lead, ports, ways)] for name, lead in sorted(known.items())},
        CLUSTERS_FILE: [
            *(_cluster(app, name, directory, limits) for name in sorted(known)),
            *(delays.end(region, ports[region], limits) for region in ends),
            *tracing.clusters(app),
            *([] if core_rules is None else [core_rules_cluster(core_rules)]),
        ],
        ROUTES_FILE: [_routes({place: _returned(found, returning) for place, found in leads.items()})],
        LISTENERS_FILE: [_by_source(app, entrance), *(delays.listener(way) for way in ways.values())],
    }
    if certificate is not None:
        contents[SECRETS_FILE] = [secret(certificate)]
        contents[TO_HTTPS_FILE] = [everything_to_https(challenges)]
    return {name: discovery(resources) for name, resources in sorted(contents.items())}


def led(app: Application, running: tuple[str, ...]) -> dict[str | None, Leads]:
    """Place -> where its visitors are led, of the regions that run; None: any other place."""
    known = dict.fromkeys([*app.region_names, *PLACES, *(place for _, place in app.edge.sources), *Continent])
    every: list[str | None] = [None, *map(str, known)]
    return {place: _leads(app, place, running) for place in every}


def _leads(app: Application, place: str | None, running: tuple[str, ...]) -> Leads:
    """What was meant for a region that does not run goes to the next in its order."""
    at = None
    if app.edge.distances and running:  # one who tells no place is beside the primary region
        at = place if place in {*PLACES, *app.region_names} else app.region_names[0]
    weights: dict[Lead, int] = {}
    for order, weight in shares(app, place):
        lead = Lead(tuple(name for name in order if name in running), at)
        weights[lead] = weights.get(lead, 0) + weight
    return tuple((lead, weight) for lead, weight in weights.items() if lead.order)


def _returned(leads: Leads, returning: Mapping[str, int]) -> Leads:
    """The same, with the visitors that a returning region does not get yet led elsewhere."""
    if not returning:
        return leads
    found: dict[Lead, int] = {}
    for lead, weight in leads:
        share = returning.get(lead.order[0], 100)
        for one, part in ((lead, share), (lead.elsewhere, 100 - share)):
            found[one] = found.get(one, 0) + weight * part
    return tuple((lead, weight) for lead, weight in found.items() if weight > 0)


def order_of(name: str) -> Order:
    """The order that a cluster's name stands for."""
    return tuple(name.partition("@")[0].partition("+")[0].split("_"))


def home_of(name: str) -> str:
    """The region whose visitors a cluster serves."""
    return name.partition("@")[0].partition("+")[2] or order_of(name)[0]


def _cluster(app: Application, name: str, directory: str, limits: Connections) -> Json:
    health = app.edge.health
    check = HealthCheck(
        path=edge_health_path(app) or "/",
        interval_s=health.interval_s,
        timeout_s=health.timeout_s,
        healthy_threshold=health.healthy_threshold,
        unhealthy_threshold=health.unhealthy_threshold,
        status_min=200,
        status_max=399,  # as Route 53
    )
    region = Service(name=name, run="", health=check, concurrency=0)
    made = cluster(region, directory, replace(limits, per_instance=limits.clients), queued=True)
    if edge_health_path(app) is None:
        asked = {key: value for key, value in made["health_checks"][0].items() if key != "http_health_check"}
        made["health_checks"] = [{**asked, "tcp_health_check": {}}]
    return made


def _endpoints(lead: Lead, ports: Mapping[str, int], ways: Mapping[tuple[str, str], delays.Way]) -> Json:
    return typed(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name=lead.name,
        endpoints=[
            {
                "priority": priority,
                "locality": {"region": name},
                "lb_endpoints": [_endpoint(name, ports[name], ways.get((lead.place or "", name)))],
            }
            for priority, name in enumerate(lead.order)
        ],
    )


def _endpoint(region: str, port: int, way: delays.Way | None) -> Json:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    reached: Json = {"hostname": region, "address": address}
    if way is not None:
        reached = {
            "hostname": region,
            "address": {"pipe": {"path": way.path}},
            "health_check_config": {"address": address},
        }
    return {"endpoint": reached, "metadata": taking(True)}


def _routes(leads: Mapping[str | None, Leads]) -> Json:
    """Places that are led alike share a route; the last is for every other place."""
    others = leads[None]
    alike: dict[Leads, list[str]] = {}
    for place, found in leads.items():
        if place is not None and found != others:
            alike.setdefault(found, []).append(place)
    routes = [route for found, places in alike.items() for route in _pair(found, [_from(places)])]
    return typed(
        "envoy.config.route.v3.RouteConfiguration",
        name=ROUTES,
        virtual_hosts=[{"name": "all", "domains": ["*"], "routes": [*routes, *_pair(others, [])]}],
        response_headers_to_add=[response_header(REGION_HEADER, "%UPSTREAM_HOST_NAME%")],
        request_headers_to_add=[client_address()],
        request_headers_to_remove=["x-envoy-external-address", REGION_HEADER],
    )


def _from(places: list[str]) -> Json:
    expression = "(?i)(" + "|".join(sorted(places)) + ")"
    return {"name": FROM_HEADER, "string_match": {"safe_regex": {"regex": expression}}}


def _pair(found: Leads, headers: list[Json]) -> list[Json]:
    """Two routes: for requests that may be sent again after a reset, and for all others."""
    method = {"name": ":method", "string_match": {"safe_regex": {"regex": REPEATABLE}}}
    return [
        {
            "match": {"prefix": "/", "headers": [*headers, *([method] if repeatable else [])]},
            **_answer(found, repeatable=repeatable),
        }
        for repeatable in (True, False)
    ]


def _answer(found: Leads, *, repeatable: bool) -> Json:
    if not found:
        return {"direct_response": {"status": 503}}
    clusters = [{"name": lead.name, "weight": weight, "metadata_match": taking(True)} for lead, weight in found]
    if len(clusters) == 1:
        (only,) = clusters
        destination = {"cluster": only["name"], "metadata_match": only["metadata_match"]}
    else:
        # Whoever has a cookie is led alike by the same shares: sessions are their region's.
        cookie = [{"header": {"header_name": "cookie"}}]
        destination = {
            "weighted_clusters": {"clusters": clusters, "use_hash_policy": True},
            "hash_policy": cookie,
        }
    return {"route": {**destination, **_tried_elsewhere(behaviour(repeatable=repeatable))}}


def _tried_elsewhere(action: Json) -> Json:
    """A region whose balancer takes no connection is not waited for: the next one is tried at once."""
    priority = extension(
        "envoy.retry_priorities.previous_priorities",
        "retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        update_frequency=1,
    )
    return {**action, "retry_policy": {**action["retry_policy"], "retry_priority": priority}}


def _by_source(app: Application, made: Json) -> Json:
    """A filter chain for each address range of the file, which tells where its visitors are."""
    chains = [_told(chain, source, place) for source, place in app.edge.sources for chain in made["filter_chains"]]
    return {**made, "filter_chains": [*chains, *made["filter_chains"]]}


def _told(chain: Json, source: str, place: str) -> Json:
    address, _, length = source.partition("/")
    ranges = [{"address_prefix": address, "prefix_len": int(length)}]
    mutation = {"append": {"header": {"key": FROM_HEADER, "value": place}, "append_action": "ADD_IF_ABSENT"}}
    early = extension(
        "envoy.http.early_header_mutation.header_mutation",
        "http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[mutation],
    )
    manager = chain["filters"][0]
    telling = {**manager["typed_config"], "early_header_mutation_extensions": [early]}
    return {
        **chain,
        "filter_chain_match": {**chain.get("filter_chain_match", {}), "source_prefix_ranges": ranges},
        "filters": [{**manager, "typed_config": telling}],
    }
