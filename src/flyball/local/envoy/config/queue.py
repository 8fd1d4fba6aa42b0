"""One queue for each service that has a limit: a filter before the router, and the file that tells it the limits.

Envoy's own queues belong to the chosen instance, so that what waits there does not reach instances that come to help.
The filter (`queue/queue.c`) lets a request go on while its service has a free place, and only then is an instance
chosen. Its limits are a file of their own: they change with every instance, and must not disturb the listener.

https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/extension
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/wasm_filter
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path

from flyball.core.model import Application, Service

from .endpoints import Endpoint
from .types import Json, extension, file_source, typed

FILTER = "queue"
QUEUE_FILE = "queue.json"
PROGRAM = str(Path(__file__).parents[1] / "queue" / "queue.wasm")

_WASM = "envoy.extensions.filters.http.wasm.v3.Wasm"
_NOTHING = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"


def has_queue(app: Application) -> bool:
    """Whether any service has a limit, or one that adapts."""
    return any(service.adapts or service.places is not None for service in app.services)


def queue_filter(directory: str) -> Json:
    """The filter. While its file in `directory` cannot be used, a filter that does nothing stands in."""
    discovery = {
        "config_source": file_source(directory, QUEUE_FILE),
        "default_config": typed(_NOTHING),
        "type_urls": [f"type.googleapis.com/{name}" for name in (_WASM, _NOTHING)],
    }
    return {"name": FILTER, "config_discovery": discovery}


def past_the_queue() -> Json:
    """What a route says whose requests neither wait nor hold a place."""
    return {FILTER: typed("envoy.config.route.v3.FilterConfig", disabled=True)}


def queue_resource(
    app: Application, endpoints: Mapping[str, Sequence[Endpoint]], limits: Mapping[str, int], program: str
) -> Json:
    """The filter's configuration, as queue.c reads it. It goes on with requests if it cannot do its work."""
    lines = [
        _line(app, service, endpoints.get(service.name, ()), limits.get(service.name, service.places))
        for service in app.services
    ]
    config = {
        "name": FILTER,
        "root_id": FILTER,
        "failure_policy": "FAIL_OPEN",
        "configuration": typed("google.protobuf.StringValue", value="".join(sorted(lines))),
        "vm_config": {
            "vm_id": FILTER,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": program}},
        },
    }
    named = extension(FILTER, "filters.http.wasm.v3.Wasm", config=config)
    return typed("envoy.config.core.v3.TypedExtensionConfig", **named)


def renewed(new: Json, before: Json | None, *, now: float) -> Json:
    """What to write over the resource `before`: that itself when nothing changed, else `new` with a new number.

    Envoy keeps every configuration that it has seen, and would not tell the filter of one that comes back. The number
    is the time, or one more than the last: so it is new even if the file was lost.
    """
    number, lines = (0, "") if before is None else _parted(before)
    if before is not None and _with_lines(before, lines) == new:
        return before
    return _with_lines(new, f"# {max(number + 1, int(now))}\n{_lines(new)}")


def at_once(concurrency: int, endpoints: Sequence[Endpoint]) -> int:
    """How many requests of a service may be at work: 0 without instances, and then Envoy answers 503.

    Instances with a smaller weight get less than they could take, so that none gets more. What an instance that gets
    no new ones still works on is counted, or it would take places from the others.
    """
    known = [endpoint for endpoint in endpoints if endpoint.known and not endpoint.draining]
    chosen = [endpoint for endpoint in known if endpoint.healthy] or known  # Envoy's own rule when none is
    if not chosen:
        return 0
    shares = sum(endpoint.weight for endpoint in chosen) / max(endpoint.weight for endpoint in chosen)
    ending = sum(min(endpoint.in_flight, concurrency) for endpoint in endpoints if endpoint not in chosen)
    return int(concurrency * shares) + ending


def _line(app: Application, service: Service, endpoints: Sequence[Endpoint], concurrency: int | None) -> str:
    if concurrency is None:
        return ""
    longest_s = service.queue.within(app.listener.idle_timeout_s)
    if endpoints and all(endpoint.draining for endpoint in endpoints):
        longest_s = 0.0  # whoever waits for an instance that died waits for the next one; after these, none comes
    return f"{service.name} {at_once(concurrency, endpoints)} {service.queue.most} {round(1000 * longest_s)}\n"


def _lines(resource: Json) -> str:
    lines: str = resource["typed_config"]["config"]["configuration"]["value"]
    return lines


def _parted(resource: Json) -> tuple[int, str]:
    """The number in the first line of a written configuration, and the other lines."""
    first, _, lines = _lines(resource).partition("\n")
    return int(first.removeprefix("# ")), lines


def _with_lines(resource: Json, lines: str) -> Json:
    copied = deepcopy(resource)
    copied["typed_config"]["config"]["configuration"]["value"] = lines
    return copied
