"""Rules across tables: what each table allows on its own, but not together.

AWS, its linters and its mocks accept most of these and fail much later, or never.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from flyball.core.manifest.complaints import Unplaced
from flyball.core.manifest.schema import FileTable

from .aws import aws_complaints
from .regions import region_complaints
from .routes import route_complaints
from .scaling import scaling_complaints
from .services import service_complaints
from .stores import store_complaints


def complaints_across(file: FileTable, timezones: Collection[str] | None) -> Iterator[Unplaced]:
    """Everything wrong with a file whose tables are each valid. Without `timezones`, any time zone is accepted."""
    for name, service in file.merged().items():
        yield from service_complaints(name, service, file)
        yield from scaling_complaints(name, service, timezones)
    yield from route_complaints(file)
    yield from store_complaints(file)
    yield from aws_complaints(file)
    yield from region_complaints(file)
