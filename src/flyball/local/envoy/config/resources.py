"""An application and its endpoints as the files that feed Envoy: pure, equal inputs give equal files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from flyball.core.model import Application, Service

from . import rooms as all_rooms
from . import tracing
from .bootstrap import CLUSTERS_FILE, LISTENERS_FILE
from .clusters import cluster, endpoints_file, goes_by_turns
from .connections import Connections
from .core_rules import core_rules_cluster
from .endpoints import Endpoint, load_assignment
from .firewall import PROGRAM as RATE
from .listener import ROUTES_FILE, TO_HTTPS_FILE, listener
from .queue import PROGRAM, QUEUE_FILE, has_queue, queue_resource
from .rooms import Rooms
from .routes import everything_to_https, route_configuration
from .secrets import SECRETS_FILE, secret
from .types import Json


def files(
    app: Application,
    endpoints: Mapping[str, Sequence[Endpoint]],
    *,
    directory: str,
    port: int,
    inside_port: int,
    access_log: str,
    certificate: tuple[str, str] | None,
    limits: Connections = Connections(),
    concurrency: Mapping[str, int] = MappingProxyType({}),
    queue: str | None = PROGRAM,
    challenges: Mapping[str, str] = MappingProxyType({}),
    rooms: Rooms | None = None,
    core_rules: str | None = None,
) -> dict[str, Json]:
    """File name -> content. A service without an entry in `endpoints` has none.

    Every file is named by others as `directory`/name. `port` is where the listener is, which may differ from the
    application's own wish; `certificate` (chain file, key file) turns TLS on. Services then reach each other without it
    on `inside_port`: no program needs to trust a certificate, or the name in it, to ask its neighbour.
    `concurrency` is how many requests an instance of a service works on at a time, where that adapts.
    `challenges` are what a certificate authority asks for just now.
    With `rooms` services reach each other, and the world, in the network between these.
    `core_rules` is the socket of the process that judges by the OWASP Core Rule Set.
    Without `queue`, a program for an Envoy that runs WebAssembly, requests wait at the instance that they are for.
    """
    services = sorted(app.services, key=lambda service: service.name)
    queued = queue is not None and has_queue(app)
    rate = None if queue is None else RATE
    plain = partial(listener, app, directory=directory, access_log=access_log, queued=queued, rate=rate)
    listeners = [plain(port=port, secure=certificate is not None)]
    if certificate is not None or rooms is not None:
        listeners.append(plain(name="inside", port=inside_port, rooms=rooms, guarded=False))
    between = ([], []) if rooms is None else (all_rooms.listeners(rooms), all_rooms.clusters(rooms))
    routes = route_configuration(app, port=port, secure=certificate is not None)
    contents = {
        **{
            endpoints_file(each.name): [
                load_assignment(each.name, endpoints.get(each.name, ()), by_turns=goes_by_turns(each, queued=queued))
            ]
            for each in services
        },
        CLUSTERS_FILE: [
            *(
                cluster(each, directory, limits, queued=queued, rooms=rooms, encrypted=_encrypted(each, endpoints))
                for each in services
            ),
            *tracing.clusters(app),
            *([] if core_rules is None else [core_rules_cluster(core_rules)]),
            *between[1],
        ],
        ROUTES_FILE: [routes],
        LISTENERS_FILE: [*listeners, *between[0]],
    }
    if certificate is not None:
        contents[SECRETS_FILE] = [secret(certificate)]
        contents[TO_HTTPS_FILE] = [everything_to_https(challenges)]
    if queue is not None and queued:
        contents[QUEUE_FILE] = [queue_resource(app, endpoints, concurrency, queue)]
    return {name: discovery(resources) for name, resources in sorted(contents.items())}


def shareable(files: Mapping[str, Json]) -> dict[str, Json]:
    """The same, but two Envoys can listen where one does."""
    if LISTENERS_FILE not in files:
        return dict(files)
    listeners = [{**one, "enable_reuse_port": True} for one in files[LISTENERS_FILE]["resources"]]
    return {**files, LISTENERS_FILE: discovery(listeners)}


def _encrypted(service: Service, endpoints: Mapping[str, Sequence[Endpoint]]) -> bool:
    return service.tls or any(one.tls for one in endpoints.get(service.name, ()))


def discovery(resources: list[Json]) -> Json:
    """A discovery response; its version is a hash of what it holds, so that it tells which file Envoy has taken."""
    digest = hashlib.sha256(json.dumps(resources, sort_keys=True).encode()).hexdigest()
    return {"version_info": digest[:16], "resources": resources}
