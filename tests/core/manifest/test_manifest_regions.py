"""Regions, the edge and what is replicated: what is refused, and with which words."""

import pytest

from flyball.core.manifest import parse, warnings
from manifests import complaints, one_service

BASE = one_service("instances = { min = 2, max = 4 }")
TWO = "[regions.us-east-1]\n[regions.eu-west-1]\n"


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ("[edge]\nrouting = 'geo'", "edge", "is only used with regions"),
        ("[aws]\nregions = ['us-east-1']\nregion = 'us-east-1'", "aws.regions", "write [regions.us-east-1]"),
        ("[aws]\nrouting = 'latency'\nregion = 'us-east-1'", "aws.routing", 'write [edge] routing = "latency"'),
        ("[regions.here]\n[aws]\n", "regions.here", "is not a region of AWS"),
        ("[regions.us-east-1]\nweight = 3", "regions.us-east-1.weight", "has no effect"),
        ("[regions.us-east-1]\nserves = 'EU'", "regions.us-east-1.serves", "has no effect"),
        ("[regions.us-east-1]\nzones = ['c']", "regions.us-east-1.zones", "zone c is none of the file's: a, b"),
        ("[regions.us-east-1.services.api]\n", "regions.us-east-1.services.api", "there is no service `api`"),
        ("[regions.us-east-1]\ninstances.max = 1", "regions.us-east-1.instances.max", "is below min 2 of `web` there"),
        ("[regions.us-east-1]\ninstances.start = 9", "regions.us-east-1.instances", "is not within min 2 and max 4"),
        ("[regions.us-east-1.services.web]\ninstances.max = 1", "regions.us-east-1.services.web.instances.max",
         "1 is below min 2"),
        (TWO + "[aws]\nregion = 'eu-north-1'", "aws.region", "eu-north-1 is none of the regions"),
        (TWO + "[regions.us-west-2]\n[edge]\nrouting = 'geo'", "regions.us-west-2", "serves NA as us-east-1 does"),
        ("[regions.here]\n[edge]\nrouting = 'geo'", "regions.here", "does not tell its continent"),
        ("[regions.here]\nweight = 0\n[edge]\nrouting = 'weighted'", "regions", "all have weight 0"),
        (TWO + "[edge]\nsources = { '127.0.1.0/24' = 'moon' }", 'edge.sources."127.0.1.0/24"', "moon is no known"),
        (TWO + "[edge]\nsources = { '127.0.1.1/24' = 'EU' }", 'edge.sources."127.0.1.1/24"', "be an address range"),
        (TWO + "[edge]\nhealth.timeout = '2s'", "edge.health.timeout", "2s must be shorter than every 1s"),
        (TWO + "[stores.a]\nkind = 'redis'\nreplicate = true", "stores.a.replicate", "stays in its region"),
        ("[stores.a]\nkind = 'table'\nkey = { a = 'string' }\nreplicate = true", "stores.a.replicate",
         "there is nowhere to replicate to"),
        ("[stores.a]\nkind = 'bucket'\nreplicate = true", "stores.a.replicate", "there is nowhere to replicate to"),
    ],
)  # fmt: skip
def test_rules(lines: str, path: str, words: str):
    found = complaints(BASE + lines)
    assert [complaint.path for complaint in found] == [path]
    assert words in f"{found[0].message}, {found[0].hint}"
    assert found[0].line is not None


def test_what_is_right():
    for lines in (
        TWO,
        TWO + "[aws]\ncompute = 'ec2'",
        TWO + "[edge]\nrouting = 'geo'",
        "[regions.us-east-1]\nweight = 3\n[regions.eu-west-1]\nweight = 0\n[edge]\nrouting = 'weighted'",
        "[regions.here]\nserves = ['EU', 'AF']\n[edge]\nrouting = 'geo'",
        TWO + "[stores.a]\nkind = 'bucket'\nreplicate = true\n[stores.b]\nkind = 'redis'\nreplicate = false",
        TWO + "[stores.a]\nkind = 'table'\nkey = { a = 'string' }\nreplicate = true",
        TWO + "[edge]\nhealth = '/up'\nsources = { '::1/128' = 'EU', '127.0.1.0/24' = 'eu-west-1' }",
    ):
        assert complaints(BASE + lines) == (), lines


def test_a_store_that_differs_between_regions_is_warned_of():
    stores = "[stores.a]\nkind = 'bucket'\n[stores.b]\nkind = 'redis'\n[stores.c]\nkind = 'bucket'\nreplicate = true\n"
    app = parse(one_service("stores = ['a', 'b', 'c']", TWO + stores))
    assert [(one.path, one.message) for one in warnings(app) if one.path.startswith("stores")] == [
        ("stores.a.replicate", "each region keeps its own: what a visitor leaves in one is not seen in the others")
    ]
