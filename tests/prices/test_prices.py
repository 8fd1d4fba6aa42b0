"""The table of prices, and the examples that AWS itself works out on its pricing pages."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

from builders import service
from flyball.core.errors import FileError
from flyball.core.manifest import parse
from flyball.core.model import Application, Aws, Compute, Package, Size
from flyball.prices import (
    HOURS,
    Kind,
    Use,
    at_max,
    at_min,
    bill,
    capacity_units,
    floor,
    instance_usd,
    machines,
    prices,
    regions,
    total,
)
from flyball.prices.table import TABLE
from manifests import FORUM, SESSION_APP, VISITOR_BOARD

US = "us-east-1"


def cents(usd: float) -> str:
    return f"{usd:.2f}"


def test_fargate_pricing_example_1():
    """https://aws.amazon.com/fargate/pricing/: 5 tasks of 1 vCPU and 2 GB, ten minutes a day for 30 days."""
    task = service(size=Size(cpu=1.0, memory_bytes=2 * 1024**3))
    aws = Aws(region=US, compute=Compute.FARGATE)
    hours = 5 * 30 * 600 / 3_600
    known = prices(US)

    assert cents(known["fargate.vcpu"].usd * 1 * hours) == "1.01"
    assert cents(known["fargate.gb"].usd * 2 * hours) == "0.22"
    assert cents(instance_usd(task, aws) * hours) == "1.23"


def test_load_balancer_pricing_example_1():
    """https://aws.amazon.com/elasticloadbalancing/pricing/: one new connection a second, 2 minutes long, 5 requests and
    300 KB a second, 60 rules.
    """
    units = capacity_units(
        new_connections_per_s=1, active_connections=120, bytes_per_s=300_000, requests_per_s=5, rules=60
    )
    known = prices(US)
    hour = known["alb.hour"].usd + units * known["alb.lcu"].usd

    assert units == pytest.approx(1.08)
    assert hour == pytest.approx(0.03114)
    assert cents(hour * 24 * 30) == "22.42"


def test_load_balancer_counts_its_busiest_dimension():
    """The same page: 250 rule evaluations a second are a quarter of a unit; the first ten rules are free."""
    quiet = {"new_connections_per_s": 0, "active_connections": 0, "bytes_per_s": 0}

    assert capacity_units(**quiet, requests_per_s=5, rules=60) == pytest.approx(0.25)
    assert capacity_units(**quiet, requests_per_s=5, rules=10) == 0
    assert capacity_units(**{**quiet, "new_connections_per_s": 50}, requests_per_s=0, rules=0) == pytest.approx(2)
    assert capacity_units(**{**quiet, "active_connections": 4_500}, requests_per_s=0, rules=0) == pytest.approx(1.5)


def test_nat_gateway_pricing_example():
    """https://aws.amazon.com/vpc/pricing/: a gateway for an hour, and 1 GB through it."""
    known = prices(US)

    assert known["nat.hour"].usd * 1 == 0.045
    assert known["nat.gb"].usd * 1 == 0.045
    assert cents(known["nat.hour"].usd + known["nat.gb"].usd) == "0.09"


def test_the_forum_at_its_minimum_has_the_floor_that_was_stated_for_it():
    """Six tasks 54.06, two NAT gateways 65.70, one balancer 16.43: 136.19 a month, and what stands beside it."""
    app = parse(FORUM + "\n[network]\nendpoints = true\n")
    lines = {line.what: line.usd * HOURS for line in bill(app, at_min(app))}
    tasks = sum(usd for what, usd in lines.items() if "tasks" in what)

    assert cents(tasks) == "54.06"
    assert cents(lines["NAT gateways"]) == "65.70"
    assert cents(lines["balancer"]) == "16.43"
    assert cents(tasks + lines["NAT gateways"] + lines["balancer"]) == "136.19"
    assert cents(lines["interface endpoints"]) == "43.80"
    assert floor(app) * HOURS == pytest.approx(sum(lines.values()))


@pytest.mark.parametrize(("package", "endpoints"), [(Package.ARCHIVE, 1), (Package.IMAGE, 3)])
def test_machines_whose_releases_are_images_need_the_endpoints_of_images(package: Package, endpoints: int):
    app = parse(FORUM + "\n[network]\nendpoints = true\n")
    assert app.aws is not None
    machines = replace(app, aws=replace(app.aws, compute=Compute.EC2, package=package))
    (line,) = (line for line in bill(machines, at_min(machines)) if line.what == "interface endpoints")
    assert line.quantity == endpoints * len(app.zones)


def test_every_region_has_every_item_with_a_source():
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))

    for region in regions():
        assert prices(region).keys() == table["items"].keys()
        assert all(one.usd > 0 and one.page.startswith("https://aws.amazon.com/") for one in prices(region).values())


def test_what_was_only_remembered_is_not_confirmed():
    assert prices(US)["fargate.vcpu"].confirmed
    assert not prices(US)["ec2.t3.micro"].confirmed
    assert prices("eu-north-1")["ec2.t3.micro"].confirmed
    assert not prices("eu-north-1")["nat.hour"].confirmed


def test_a_region_without_prices_is_a_sentence():
    with pytest.raises(FileError, match=r"there are no prices for mars-1; there are some for: us-east-1, "):
        prices("mars-1")


def test_a_machine_without_a_price_is_a_sentence():
    app = parse(VISITOR_BOARD.replace("t3.micro", "m7g.large"))

    with pytest.raises(FileError, match=r"aws\.machine: there is no price for m7g\.large; there are some for: c5\.2x"):
        floor(app)


@pytest.mark.parametrize("text", [VISITOR_BOARD, SESSION_APP, FORUM])
def test_every_line_is_a_price_times_a_quantity(text):
    app = parse(text)
    lines = bill(app, Use(instance_hours={one.name: 3.0 for one in app.services}, requests=1e6))

    assert {line.kind for line in lines} == set(Kind)
    assert all(line.usd == pytest.approx(line.unit_usd * line.quantity) for line in lines)
    assert total(lines) == pytest.approx(sum(line.usd for line in lines))


def test_a_bill_grows_with_hours_instances_and_requests():
    app = parse(SESSION_APP)
    one = Use(instance_hours={"app": 2.0}, requests=1_000)
    ten = Use(hours=10, instance_hours={"app": 20.0}, requests=10_000)

    assert total(bill(app, ten)) == pytest.approx(10 * total(bill(app, one)))
    assert floor(app) < total(bill(app, one)) < total(bill(app, at_max(app)))


def test_spot_makes_only_what_is_above_the_minimum_cheaper():
    def cost(spot: int, count: float) -> float:
        web = service("web", 2, 10)
        app = Application(name="shop", services=(web,), aws=Aws(region=US, spot_percent=spot))
        return total(bill(app, Use(instance_hours={"web": count})))

    assert cost(100, 2) == cost(0, 2)
    assert cost(0, 5) - cost(100, 5) == pytest.approx(3 * 0.7 * (0.25 * 0.04048 + 0.5 * 0.004445))
    assert cost(50, 5) == pytest.approx((cost(0, 5) + cost(100, 5)) / 2)


def test_another_region_waits_at_its_minimum():
    regions = "\n[regions.us-east-1]\n[regions.us-west-2]\n"
    app = parse(FORUM.replace('compute = "fargate"', 'compute = "fargate"\ndomain = "forum.example.com"') + regions)
    alone = parse(FORUM)
    busy = Use(instance_hours={one.name: 9.0 for one in app.services}, requests=1e6)

    assert total(bill(app, busy)) == pytest.approx(total(bill(alone, busy)) + floor(alone))
    assert any(line.what == "balancer, us-west-2" for line in bill(app, busy))


def test_machines_have_what_their_names_say():
    known = {one.name: one for one in machines()}

    assert (known["t3.micro"].vcpus, known["t3.micro"].gib) == (2, 1)
    assert (known["m5.xlarge"].vcpus, known["m5.xlarge"].gib) == (4, 16)
