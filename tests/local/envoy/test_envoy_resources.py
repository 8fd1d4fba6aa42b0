"""The files that feed Envoy, as values; and Envoy's own judgement of them."""

import itertools
import json
import subprocess

import pytest

from flyball.core.model import (
    Balancing,
    BalancingAlgorithm,
    Condition,
    Firewall,
    FixedResponse,
    HealthCheck,
    RateLimit,
    Redirect,
    Route,
    Stickiness,
)
from flyball.local.envoy import certificate, process
from flyball.local.envoy.config.bootstrap import bootstrap
from flyball.local.envoy.config.endpoints import Endpoint
from flyball.local.envoy.config.refusals import refusals
from flyball.local.envoy.config.resources import files
from local.envoy.envoy_rig import application, service

FIRST_RULE = len(refusals())


def endpoint(number=1, **fields):
    given = {"instance": f"web-{number}", "port": 20000 + number, "weight": 1, "draining": False, "zone": "a"}
    return Endpoint(**{**given, **fields})


def built(app=None, endpoints=None, *, secret=None, home="/d"):
    return files(
        app or application(),
        endpoints or {},
        directory=str(home),
        port=8080,
        inside_port=8081,
        access_log=f"{home}/access.log",
        certificate=secret,
    )


def only(content):
    (resource,) = content["resources"]
    return resource


def cluster(**fields):
    return only(built(application(service(**fields)))["cds.json"])


def routes(app):
    return only(built(app)["rds.json"])["virtual_hosts"][0]["routes"]


def manager(app=None):
    return only(built(app)["lds.json"])["filter_chains"][0]["filters"][0]["typed_config"]


def filters(app):
    return [each["name"].rpartition(".")[2] for each in manager(app)["http_filters"]]


def test_equal_inputs_give_equal_bytes_and_order_does_not_matter():
    app = application(service("web"), service("api", "/api"))
    other = application(*reversed(app.services))
    one = built(app, {"web": [endpoint(1), endpoint(2)], "api": []})
    two = built(other, {"api": [], "web": [endpoint(2), endpoint(1)]})
    assert json.dumps(one) == json.dumps(two)
    assert list(one) == ["cds.json", "eds-api.json", "eds-web.json", "lds.json", "queue.json", "rds.json"]


def test_a_version_changes_with_its_content_only():
    one, two = built(), built(endpoints={"web": [endpoint()]})
    assert {name for name in one if one[name]["version_info"] != two[name]["version_info"]} == {"eds-web.json"}


def test_endpoints_name_instance_address_weight_and_whether_they_drain():
    content = only(built(endpoints={"web": [endpoint(1, weight=7), endpoint(2, draining=True)]})["eds-web.json"])
    one, two = content["endpoints"][0]["lb_endpoints"]
    assert one["endpoint"] == {
        "hostname": "web-1",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 20001}},
    }
    assert (one["load_balancing_weight"], one["health_status"], two["health_status"]) == (7001, "UNKNOWN", "DRAINING")
    assert [each["metadata"]["filter_metadata"]["envoy.lb"]["taking"] for each in (one, two)] == ["yes", "no"]
    assert only(built()["eds-web.json"])["endpoints"] == []


def test_health_checks_have_the_models_numbers():
    health = HealthCheck(
        path="/up",
        interval_s=7.5,
        timeout_s=2,
        healthy_threshold=3,
        unhealthy_threshold=4,
        status_min=200,
        status_max=399,
    )
    (check,) = cluster(health=health)["health_checks"]
    assert (check["interval"], check["no_traffic_interval"], check["timeout"]) == ("7.5s", "7.5s", "2s")
    assert (check["healthy_threshold"], check["unhealthy_threshold"]) == (3, 4)
    asked = check["http_health_check"]
    assert (asked["path"], asked["expected_statuses"]) == ("/up", [{"start": 200, "end": 400}])
    assert asked["retriable_statuses"] == [{"start": 100, "end": 200}, {"start": 400, "end": 600}]


def test_a_check_that_takes_every_status_has_no_wrong_ones():
    (check,) = cluster(health=HealthCheck(status_min=100, status_max=599))["health_checks"]
    assert check["http_health_check"]["retriable_statuses"] == []


def test_what_loses_requests_when_it_is_missing():
    found = cluster()
    assert found["ignore_health_on_host_removal"] is True
    assert found["common_lb_config"]["healthy_panic_threshold"] == {"value": 1.0}
    assert "DRAINING" not in found["common_lb_config"]["override_host_status"]["statuses"]
    (limits,) = found["circuit_breakers"]["thresholds"]
    assert min(limits.values()) >= 10_000
    assert found["outlier_detection"]["split_external_local_origin_errors"] is True
    for route in routes(application())[FIRST_RULE : FIRST_RULE + 2]:
        (predicate,) = route["route"]["retry_policy"]["retry_host_predicate"]
        assert predicate["name"].endswith("previous_hosts")


def test_only_requests_that_change_nothing_are_sent_again_after_a_reset():
    safe, other = routes(application())[FIRST_RULE : FIRST_RULE + 2]
    assert safe["match"]["headers"][0]["string_match"]["safe_regex"]["regex"] == "GET|HEAD|OPTIONS"
    assert safe["route"]["retry_policy"]["retry_on"].split(",")[-1] == "reset"
    assert "headers" not in other["match"]
    assert "reset" not in other["route"]["retry_policy"]["retry_on"].split(",")


def test_slow_start_belongs_to_round_robin_alone():
    def algorithm(**fields):
        subset = cluster(balancing=Balancing(**fields))["load_balancing_policy"]["policies"][0][
            "typed_extension_config"
        ]
        return subset["typed_config"]["subset_lb_policy"]["policies"][0]["typed_extension_config"]["typed_config"]

    assert "slow_start_config" not in algorithm()
    assert algorithm(slow_start_s=30)["slow_start_config"]["slow_start_window"] == "30s"
    least = algorithm(algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS, slow_start_s=30)
    assert (least["selection_method"], "slow_start_config" in least) == ("FULL_SCAN", False)


def test_filters_stand_there_only_when_asked_for():
    assert filters(application(service(concurrency=0))) == ["router"]
    assert filters(application()) == ["queue", "router"]
    everything = application(
        service(concurrency=0, balancing=Balancing(stickiness=Stickiness())),
        firewall=Firewall(rates=(RateLimit(requests=20, per_s=4),), max_body_bytes=5),
    )
    assert filters(everything) == ["rbac", "wasm", "body_size_limit", "stateful_session", "router"]
    rules, rate, body, *_ = (each["typed_config"] for each in manager(everything)["http_filters"])
    assert list(rules["rules"]["policies"]) == ["body"]
    assert rate["config"]["configuration"]["value"] == "rate 20 4000 0 /\n"
    assert body["max_request_bytes"] == "5"


def test_a_sticky_service_among_weighted_ones_has_its_cookie_on_its_own_share():
    app = application(service("old", balancing=Balancing(stickiness=Stickiness(duration_s=5.4))), service("new"))
    shares = routes(app)[FIRST_RULE]["route"]["weighted_clusters"]["clusters"]
    assert [(share["name"], "typed_per_filter_config" in share) for share in shares] == [("old", True), ("new", False)]
    assert '"name": "AWSALB", "path": "/", "ttl": "5s"' in json.dumps(shares[0])


def test_a_rule_whose_weights_are_all_zero_answers_503():
    app = application(service(routes=(Route(condition=Condition(), weight=0),)))
    assert routes(app)[FIRST_RULE]["direct_response"] == {"status": 503}


def test_idle_timeout_governs_and_nothing_else():
    found = manager(application(idle_timeout_s=12.5))
    assert found["stream_idle_timeout"] == "12.5s"
    assert found["common_http_protocol_options"]["idle_timeout"] == "12.5s"
    assert {route["route"]["timeout"] for route in routes(application())[FIRST_RULE : FIRST_RULE + 2]} == {"0s"}


def test_literal_text_in_redirects_and_content_types_is_not_a_format():
    app = application(
        redirects=(Redirect(condition=Condition(path="/r"), location="/50%/#{unknown}"),),
        fixed_responses=(FixedResponse(condition=Condition(path="/f"), status=200, body="x", content_type="a/%b%"),),
    )
    found = json.dumps(routes(app))
    assert '"/50%%/#{unknown}"' in found
    assert '"a/%%b%%"' in found


def test_the_admin_socket_is_for_its_owner_only():
    pipe = bootstrap(directory="/d", admin_socket="/d/a.sock", name="board")["admin"]["address"]["pipe"]
    assert pipe == {"path": "/d/a.sock", "mode": 0o600}


ROUTINGS = {
    "plain": (Route(condition=Condition()),),
    "patterns": (
        Route(condition=Condition(path="/a.b/*+(x)?", host="*.Exam-ple.com", headers=(("X-A", "a*|b"), ("y", "?")))),
        Route(condition=Condition(path="/[v1]"), weight=3, priority=9),
    ),
}
BALANCINGS = {
    "plain": Balancing(),
    "slow": Balancing(slow_start_s=30.0, stickiness=Stickiness()),
    "least": Balancing(algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS, stickiness=Stickiness()),
}
ANSWERS = {
    "redirects": (
        Redirect(condition=Condition(path="/r"), location="#{protocol}://x.#{host}:#{port}/#{path}?a=%&#{query}"),
        Redirect(condition=Condition(path="/q", host="a"), location="https://#{host}/#{path}?#{query}", status=302),
    ),
    "fixed_responses": (FixedResponse(condition=Condition(path="/f*"), status=599, body="%{}" * 300),),
}
LIMITS = {
    "firewall": Firewall(rates=(RateLimit(requests=3, per_s=0.01),), max_body_bytes=1 << 40),
    "idle_timeout_s": 0.125,
}


@pytest.mark.live
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    "extra", [{}, ANSWERS, LIMITS, {**ANSWERS, **LIMITS}], ids=["none", "answers", "limits", "all"]
)
def test_envoy_accepts_every_combination(tmp_path, extra, secure):
    """Envoy's own check looks at what is in the bootstrap itself, so all resources are put there."""
    services = [
        service(f"s{index}", routes=ROUTINGS[routing], balancing=BALANCINGS[balancing])
        for index, (routing, balancing) in enumerate(itertools.product(ROUTINGS, BALANCINGS))
    ]
    secret = certificate.self_made(tmp_path) if secure else None
    endpoints = {"s0": [endpoint(1), endpoint(2, draining=True)]}
    found = built(application(*services, **extra), endpoints, secret=secret, home=tmp_path)
    for name, content in found.items():
        (tmp_path / name).write_text(json.dumps(content))
    listeners, clusters, routings = (untyped(found[name]["resources"]) for name in ("lds.json", "cds.json", "rds.json"))
    entrance = listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]
    del entrance["rds"]
    (entrance["route_config"],) = routings
    config = bootstrap(directory=str(tmp_path), admin_socket=str(tmp_path / "admin"), name="board")
    del config["dynamic_resources"]
    config["static_resources"] = {"listeners": listeners, "clusters": clusters}
    (tmp_path / "all.json").write_text(json.dumps(config))
    checked = subprocess.run(
        [process.binary(), "--mode", "validate", "--disable-hot-restart", "-l", "error", "-c", tmp_path / "all.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stderr == ""


def untyped(resources):
    """Resources stand in the bootstrap without their type."""
    return [{key: value for key, value in resource.items() if key != "@type"} for resource in resources]


def test_services_that_ask_each_other_do_not_pass_the_firewall():
    found = built(application(firewall=Firewall(max_body_bytes=5)), secret=("/c", "/k"))
    lists = {one["name"]: json.dumps(one) for one in found["lds.json"]["resources"]}
    assert {name: "body_size_limit" in text for name, text in lists.items()} == {"http": True, "inside": False}
