"""What each table allows, but all of them together do not: the rules across the file.

AWS, its linters and its mocks let most of these through and fail much later, or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from flyball.core.manifest.schema import FileTable

from .fault import Fault
from .places_on_aws import aws_faults
from .routes import route_faults
from .scaling import scaling_faults
from .services import service_faults
from .stores import store_faults


def faults(file: FileTable, timezones: Collection[str] | None) -> Iterator[Fault]:
    """Every fault of a file whose tables are each valid. Without `timezones` no time zone is called unknown."""
    for name, service in file.merged().items():
        yield from service_faults(name, service, file)
        yield from scaling_faults(name, service, timezones)
    yield from route_faults(file)
    yield from store_faults(file)
    yield from aws_faults(file)


__all__ = ["Fault", "faults"]
