"""How the balancer reaches instances behind walls, and what it does there for them: names, and the way outside.

Envoy itself runs in the machine's own network. Towards instances it opens its sockets in the network between the
rooms; there it also listens. What a room sends outside arrives at one listener, which connects to where it was sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from .types import Json, extension, seconds, typed

OUTWARD, NAMES = "outward", "names"
CONNECT_TIMEOUT_S = 10.0
ANSWER_WITHIN_S, IDLE_S = 5.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """The file of the network between the rooms, and the balancer's address there.

    Without a file the balancer itself runs there (see `handover`).

    `outward_port` takes what goes outside, `names_port` questions for names, which `resolver` answers if there is one.
    `host_ports` are those of this machine that a service may use, `datagrams` the door's ports for UDP that is for
    (address, port).
    """

    network: str | None
    door: str
    outward_port: int
    names_port: int
    resolver: str | None = None
    host_ports: tuple[int, ...] = ()
    datagrams: tuple[tuple[int, str, int], ...] = ()

    def address(self, port: int, protocol: str = "TCP") -> Json:
        """An address of the balancer in this network."""
        named = {"protocol": protocol, "address": self.door, "port_value": port}
        return {
            "socket_address": named if self.network is None else {**named, "network_namespace_filepath": self.network}
        }


def from_within(rooms: Rooms | None) -> Json:
    """For a cluster: connect from within this network."""
    return (
        {}
        if rooms is None or rooms.network is None
        else {"upstream_bind_config": {"source_address": rooms.address(0)["socket_address"]}}
    )


def listeners(rooms: Rooms) -> list[Json]:
    """Beside the application's own: the way outside, names, ports of this machine."""
    if rooms.network is None:
        return []  # from there it cannot go outside: the network's keeper does
    original = extension("envoy.filters.listener.original_dst", "filters.listener.original_dst.v3.OriginalDst")
    found = [_relay(rooms, OUTWARD, rooms.outward_port, listener_filters=[original])]
    found += [_relay(rooms, _host(port), port) for port in rooms.host_ports]
    found += [_datagrams(rooms, _host(port), port, IDLE_S) for port in rooms.host_ports]
    found += [_datagrams(rooms, _far(port), port, IDLE_S) for port, _, _ in rooms.datagrams]
    if rooms.resolver is not None:
        found += [_relay(rooms, NAMES, rooms.names_port), _datagrams(rooms, NAMES, rooms.names_port, ANSWER_WITHIN_S)]
    return found


def clusters(rooms: Rooms) -> list[Json]:
    """Where those listeners connect to."""
    if rooms.network is None:
        return []
    outward = typed(
        "envoy.config.cluster.v3.Cluster",
        name=OUTWARD,
        type="ORIGINAL_DST",
        lb_policy="CLUSTER_PROVIDED",
        connect_timeout=seconds(CONNECT_TIMEOUT_S),
    )
    found = [outward, *(_one(_host(port), "127.0.0.1", port) for port in rooms.host_ports)]
    found += [_one(_far(door), address, port) for door, address, port in rooms.datagrams]
    return found if rooms.resolver is None else [*found, _one(NAMES, rooms.resolver, 53)]


def _host(port: int) -> str:
    return f"host-{port}"


def _far(port: int) -> str:
    return f"datagrams-{port}"


def _relay(rooms: Rooms, name: str, port: int, **more: object) -> Json:
    proxy = extension(
        "envoy.filters.network.tcp_proxy", "filters.network.tcp_proxy.v3.TcpProxy", stat_prefix=name, cluster=name
    )
    return typed(
        "envoy.config.listener.v3.Listener",
        name=name,
        address=rooms.address(port),
        enable_reuse_port=False,
        filter_chains=[{"filters": [proxy]}],
        **more,
    )


def _datagrams(rooms: Rooms, name: str, port: int, idle_s: float) -> Json:
    """UDP: a sender's packets and their answers are one session, until none has come for a while."""
    routes = {"on_no_match": {"action": {"name": "route", "typed_config": typed(
        "envoy.extensions.filters.udp.udp_proxy.v3.Route", cluster=name)}}}  # fmt: skip
    proxy = extension(
        "envoy.filters.udp_listener.udp_proxy",
        "filters.udp.udp_proxy.v3.UdpProxyConfig",
        stat_prefix=name,
        matcher=routes,
        idle_timeout=seconds(idle_s),
    )
    return typed(
        "envoy.config.listener.v3.Listener",
        name=f"{name}-udp",
        address=rooms.address(port, "UDP"),
        listener_filters=[proxy],
    )


def _one(name: str, address: str, port: int) -> Json:
    target = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}
    return typed(
        "envoy.config.cluster.v3.Cluster",
        name=name,
        type="STATIC",
        connect_timeout=seconds(CONNECT_TIMEOUT_S),
        load_assignment={"cluster_name": name, "endpoints": [{"lb_endpoints": [target]}]},
    )
