"""What Envoy's configuration is made of: JSON objects and the names of their types."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def typed(name: str, /, **fields: Any) -> Json:
    """A message of the type `name`, such as `envoy.config.cluster.v3.Cluster`."""
    return {"@type": f"type.googleapis.com/{name}", **fields}


def extension(name: str, type_name: str, /, **fields: Any) -> Json:
    """A named extension (filter, policy, predicate) and its configuration."""
    return {"name": name, "typed_config": typed(f"envoy.extensions.{type_name}", **fields)}


def seconds(value: float) -> str:
    """A duration as protobuf's JSON has it: decimal seconds, at most nine digits behind the point."""
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


def file_source(directory: str, name: str) -> Json:
    """Take a resource from a file and again each time another file is renamed over it.

    No `watched_directory`: with it every rename in the directory would make every resource read its file again.
    """
    return {"resource_api_version": "V3", "path_config_source": {"path": f"{directory}/{name}"}}
