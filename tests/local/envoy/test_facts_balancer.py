"""What an Application Load Balancer does, fact by fact, found in the files that feed Envoy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flyball.core.model import (
    Application,
    Balancing,
    BalancingAlgorithm,
    Condition,
    HealthCheck,
    Listener,
    Route,
    Service,
    Stickiness,
)
from flyball.core.model.rules import rules_in_order
from flyball.local.envoy.config.endpoints import Endpoint
from flyball.local.envoy.config.resources import files


def service(name: str = "web", *routes: Route, **fields: Any) -> Service:
    return Service(name=name, run="serve", routes=routes or (Route(condition=Condition(path="/")),), **fields)


def built(*services: Service, endpoints: tuple[Endpoint, ...] = ()) -> dict[str, Any]:
    app = Application(name="board", services=services or (service(),))
    content = files(
        app, {"web": endpoints}, directory="/d", port=8080, inside_port=8081, access_log="/d/log", certificate=None
    )
    return {name: file["resources"][0] for name, file in content.items()}


def algorithm(balancing: Balancing) -> dict[str, Any]:
    subset = built(service(balancing=balancing, concurrency=0))["cds.json"]["load_balancing_policy"]["policies"][0]
    inner = subset["typed_extension_config"]["typed_config"]["subset_lb_policy"]["policies"][0]
    return dict(inner["typed_extension_config"]["typed_config"])


def manager(**listener: Any) -> dict[str, Any]:
    app = Application(name="board", services=(service(),), listener=Listener(**listener))
    content = files(app, {}, directory="/d", port=8080, inside_port=8081, access_log="/d/log", certificate=None)
    return dict(content["lds.json"]["resources"][0]["filter_chains"][0]["filters"][0]["typed_config"])


def test_fact_24_checks_have_the_files_numbers_and_any_2xx_passes_by_default():
    """Health check defaults are 30 s, 5 s, 5 and 2; here 5 s, 4 s, 2 and 2, because a laptop's user waits for them.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    """
    (check,) = built()["cds.json"]["health_checks"]
    assert (check["interval"], check["timeout"]) == ("5s", "4s")
    assert (check["healthy_threshold"], check["unhealthy_threshold"]) == (2, 2)
    assert check["http_health_check"]["expected_statuses"] == [{"start": 200, "end": 300}]
    (check,) = built(service(health=HealthCheck(interval_s=30.0, healthy_threshold=5)))["cds.json"]["health_checks"]
    assert (check["interval"], check["healthy_threshold"]) == ("30s", 5)


def test_fact_27_fewer_than_one_healthy_target_opens_all():
    """The balancer routes to all targets when fewer than one is healthy: 1 % of at most 100 instances.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health.html
    """
    assert built()["cds.json"]["common_lb_config"]["healthy_panic_threshold"] == {"value": 1.0}


def test_fact_29_slow_start_is_linear_off_by_default_and_not_for_least_outstanding():
    """Slow start is linear, 0 by default, and excluded with least_outstanding_requests.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
    """
    assert "slow_start_config" not in algorithm(Balancing())
    slow = algorithm(Balancing(slow_start_s=30.0))["slow_start_config"]
    assert slow["slow_start_window"] == "30s"
    assert slow["aggression"]["default_value"] == 1.0
    least = Balancing(slow_start_s=30.0, algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS)
    assert "slow_start_config" not in algorithm(least)


def test_fact_30_round_robin_by_default_least_outstanding_by_choice():
    """Algorithms are round_robin (the default) and least_outstanding_requests; weighted_random is AWS's alone.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
    """
    assert Balancing().algorithm is BalancingAlgorithm.ROUND_ROBIN
    assert algorithm(Balancing())["@type"].endswith("RoundRobin")
    least = algorithm(Balancing(algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS))
    assert least["@type"].endswith("LeastRequest")
    assert {one.value for one in BalancingAlgorithm} == {"round_robin", "least_outstanding_requests"}


def test_fact_31_stickiness_is_off_and_its_cookie_is_awsalb_for_a_day():
    """Stickiness is off by default; the cookie is AWSALB and lasts 86400 s unless told otherwise.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/sticky-sessions.html
    """
    assert Balancing().stickiness is None
    assert "AWSALB" not in str(built())
    sticky = str(built(service(balancing=Balancing(stickiness=Stickiness()))))
    assert "'name': 'AWSALB'" in sticky
    assert "86400s" in sticky


def test_fact_32_the_lowest_priority_first_the_default_last_the_path_as_it_is():
    """Rules are looked at from the lowest number on, the default comes last, and the path is not rewritten.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html
    """
    late = service("late", Route(condition=Condition(path="/a"), priority=20))
    early = service("early", Route(condition=Condition(path="/*"), priority=10))
    rules = rules_in_order(Application(name="board", services=(late, early)))
    assert [rule.condition.path for rule in rules] == ["/*", "/a"]
    assert rules[0].priority < rules[1].priority
    hosts = built(early, replace(late, name="web"))["rds.json"]["virtual_hosts"][0]["routes"]
    assert hosts[-1]["match"] == {"prefix": "/"}
    assert hosts[-1]["direct_response"]["status"] == 404
    assert "rewrite" not in str(hosts)


def test_fact_33_idle_timeout_60_s_connect_timeout_10_s_and_the_client_is_appended():
    """The idle timeout is 60 s, the connect timeout 10 s, and X-Forwarded-For is appended to.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
    """
    assert manager()["stream_idle_timeout"] == "60s"
    assert manager(idle_timeout_s=5.0)["stream_idle_timeout"] == "5s"
    assert manager()["use_remote_address"] is True
    assert built()["cds.json"]["connect_timeout"] == "10s"


def test_fact_34_zones_share_all_traffic():
    """Cross-zone balancing is on: every target gets its share wherever it is.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html
    """
    targets = [
        Endpoint(instance=f"web-{number}", port=20000 + number, weight=1, draining=False, zone=zone)
        for number, zone in enumerate("aab")
    ]
    assert len(built(endpoints=tuple(targets))["eds-web.json"]["endpoints"]) == 1
