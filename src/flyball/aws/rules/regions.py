"""AWS's regions, as they were on a date: a region that does not exist is an error before anything is made.

https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from flyball.core.manifest.complaints import Unplaced
from flyball.core.model import Application

AS_OF = "2026-11-15"
REGIONS = frozenset(
    (
        *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1"),
        *("ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
        *("ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2"),
        *("eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1"),
        *("me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1"),
        "us-west-2",
    )
)
"""The commercial ones."""
APART = {"cn-": "AWS China", "us-gov-": "AWS GovCloud", "eusc-": "the European Sovereign Cloud"}


def errors(app: Application) -> Iterator[Unplaced]:
    """The file's regions that do not exist, each with its place."""
    if app.aws is None:
        return
    for region in app.region_names:
        wrong = unknown(region)
        if wrong is not None:
            message, _, hint = wrong.partition("; ")
            own = region == app.aws.region
            path = ("aws", "region") if own else ("regions", region)
            yield Unplaced(path=path, message=message, hint=hint, on_key=not own)


def unknown(region: str) -> str | None:
    """Why the region is none that Flyball can deploy to; None when it is one."""
    if region in REGIONS:
        return None
    elsewhere = next((name for start, name in APART.items() if region.startswith(start)), None)
    if elsewhere is not None:
        return f"{region} is in {elsewhere}, which has different ARNs; no resource would be found"
    close = get_close_matches(region, sorted(REGIONS), n=1, cutoff=0.7)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f"{region!r} is not a region such as eu-north-1, as of {AS_OF}{hint}"
