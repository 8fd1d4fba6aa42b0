"""Which paths a file declares, and what an entry of `egress` names."""

import ipaddress

import pytest

from flyball.core.boundary import is_place, place, ways
from flyball.core.manifest import ManifestError, parse

FILE = """
name = "shop"
{network}
[services.web]
run = "serve"
routes = ["/"]
stores = ["sessions"]
{egress}
[services.mail]
run = "serve"
routes = ["/mail"]
stores = ["letters"]

[stores.sessions]
kind = "redis"

[stores.letters]
kind = "bucket"
"""
CLOSED = '[network]\nboundary = "closed"\n'


def opened(network: str, egress: str = "") -> set[tuple[str, str]]:
    return {(way.start, way.end) for way in ways(parse(FILE.format(network=network, egress=egress))) if way.declared}


def test_a_closed_boundary_leaves_what_the_file_names():
    assert opened(CLOSED) == {
        ("visitor", "balancer"),
        ("other-user", "balancer"),
        ("web", "balancer"),
        ("web", "store:sessions"),
        ("web", "internet"),
        ("mail", "balancer"),
        ("mail", "store:letters"),
        ("mail", "internet"),
    }


def test_an_open_one_says_what_is_open():
    found = opened("")
    assert {("visitor", "web"), ("other-user", "store:sessions"), ("web", "mail"), ("web", "store:letters")} <= found
    assert ("web", "control-plane") in found
    assert ("other-user", "control-plane") not in found
    assert ("other-user", "store:letters") not in found
    assert ("internet", "balancer") not in found


@pytest.mark.parametrize(
    ("egress", "out"),
    [
        ("egress = true", True),
        ("egress = false", False),
        ("egress = []", False),
        ('egress = ["host:5432"]', False),
        ('egress = ["0.0.0.0/0", "host:5432"]', True),
    ],
)
def test_egress_is_declared(egress, out):
    assert (("web", "internet") in opened(CLOSED, egress)) is out


def test_every_path_is_there_once():
    found = [(way.start, way.end) for way in ways(parse(FILE.format(network=CLOSED, egress="")))]
    assert len(found) == len(set(found)) == 3 * 6 + 2 * 7


def test_places_are_ranges_addresses_and_ports_of_this_machine():
    assert place("host:5432").network is None
    assert place("host:5432").port == 5432
    assert place("10.0.0.0/8").network == ipaddress.IPv4Network("10.0.0.0/8")
    assert place("10.1.2.3:5432").network == ipaddress.IPv4Network("10.1.2.3/32")
    assert place("10.0.0.0/8:443").port == 443
    wrong = ("", "host", "host:", "host:0", "host:70000", "host:x", "10.0.0.1/8", "api.example.com:443", "::1")
    assert not any(map(is_place, wrong))


@pytest.mark.parametrize("name", ["api.example.com:443", "example.org", "a.b-c.xn--p1ai:80"])
def test_a_name_is_refused_with_what_to_write_instead(name):
    with pytest.raises(ManifestError, match="cannot list names, as no security group on AWS can: list the addresses"):
        parse(FILE.format(network=CLOSED, egress=f'egress = ["{name}"]'))


@pytest.mark.parametrize(
    ("text", "single"),
    [("10.1.2.3:53", ("10.1.2.3", 53)), ("10.1.2.3", None), ("10.0.0.0/8:53", None), ("host:53", None)],
)
def test_a_place_may_be_a_single_one(text, single):
    assert place(text).single == single


@pytest.mark.parametrize("egress", ['egress = ["nowhere"]', "egress = [5432]", "egress = 1", 'egress = "host:1"'])
def test_what_names_nothing_is_refused_with_examples(egress):
    with pytest.raises(ManifestError, match="host:5432"):
        parse(FILE.format(network=CLOSED, egress=egress))
