"""What lies outside the walls and is named in the file."""

from pathlib import Path

import pytest

from flyball.core.manifest import parse
from flyball.local.process.walls import outside

FILE = """
name = "shop"
[services.web]
run = "serve"
routes = ["/"]
egress = ["host:5432", "host:11211", "10.0.0.0/8:443"]
[observe]
otlp = "{otlp}"
"""


def test_ports_of_this_machine_are_those_declared_and_the_collectors():
    assert outside.host_ports(parse(FILE.format(otlp="http://localhost:4318"))) == (4318, 5432, 11211)
    assert outside.host_ports(parse(FILE.format(otlp="http://10.0.0.1:4318"))) == (5432, 11211)


@pytest.mark.parametrize(
    ("endpoint", "inside"),
    [
        (None, None),
        ("http://127.0.0.1:4318", "http://198.18.0.1:4318"),
        ("http://localhost/v1", "http://198.18.0.1:80/v1"),
        ("https://collector.example.com", "https://collector.example.com"),
    ],
)
def test_an_address_on_this_machine_is_another_inside(endpoint, inside):
    assert outside.seen_inside(endpoint) == inside


def test_the_first_server_for_names(tmp_path: Path):
    file = tmp_path / "resolv.conf"
    assert outside.resolver(file) is None
    file.write_text(
        "# a comment\nsearch example.com\nnameserver fe80::1%eth0\nnameserver 127.0.0.53\nnameserver 9.9.9.9\n"
    )
    assert outside.resolver(file) == "127.0.0.53"


def test_a_place_keeps_its_port_for_datagrams_when_others_come_and_go():
    def doors(*places: str) -> dict[tuple[str, int], int]:
        listed = ", ".join(f'"{place}"' for place in places)
        return outside.datagrams(
            parse(f'name = "shop"\n[services.web]\nrun = "serve"\nroutes = ["/"]\negress = [{listed}]')
        )

    alone = doors("10.0.0.5:8125")
    many = doors("10.0.0.0/8:443", "host:5432", "10.0.0.5:8125", *(f"10.0.0.{number}:53" for number in range(1, 5)))
    assert many["10.0.0.5", 8125] == alone["10.0.0.5", 8125]
    assert len(set(many.values())) == len(many) == 5
    assert ("10.0.0.5", 8125) in doors(f"host:{alone['10.0.0.5', 8125]}", "10.0.0.5:8125")
    assert doors(f"host:{alone['10.0.0.5', 8125]}", "10.0.0.5:8125") != alone  # that one is taken
