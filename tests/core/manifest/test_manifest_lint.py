"""What runs here but not as one may think: each warning, and the silence of the examples."""

import pytest

from flyball.core.manifest import ParityWarning, parse, warnings
from flyball.core.manifest.fargate import fargate_size
from manifests import EXAMPLES, one_service

AWS = "[aws]\nregion = 'eu-north-1'\n"
EC2 = AWS + "compute = 'ec2'\n"


def said(lines: str, rest: str = "") -> tuple[ParityWarning, ...]:
    return warnings(parse(one_service(lines, rest)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_raise_no_doubt(name: str):
    assert warnings(parse(EXAMPLES[name])) == ()


def test_here_nothing_is_said_of_aws():
    assert (
        said("routes = ['/']\nhealth = { path = '/', every = '500ms', unhealthy_after = 1 }\nslow_start = '5s'") == ()
    )


@pytest.mark.parametrize(
    ("lines", "rest", "path", "words"),
    [
        ("instances = 2\nscale.target.cpu = 50", "", "services.web.instances", "min and max are both 2"),
        ("instances.max = 2", "", "services.web.scale", "no policy: nothing scales between 1 and 2 but by hand"),
        ("instances = { min = 0, max = 2 }\nscale.target.cpu = 50", "", "services.web.instances.min",
         "requests are answered 503"),
        ("instances.max = 2\nscale.out = { when = 'cpu > 50%', add = 1 }", "", "services.web.scale.out",
         "what is added stays"),
        ("deploy.maximum = 150", "", "services.web.deploy", "at 1 instance the percentages round to 1 and 1"),
        ("instances = 3\ndeploy = { minimum_healthy = 90, maximum = 120 }", "", "services.web.deploy",
         "at 3 instances the percentages round to 3 and 3"),
        ("health = { every = '3s', timeout = '2s' }", AWS, "services.web.health.every",
         "3s here; AWS takes whole seconds from 5s to 300s"),
        ("health.every = '5500ms'", AWS, "services.web.health.every", "5.5s here"),
        ("health.timeout = '1s'", AWS, "services.web.health.timeout",
         "1s here; AWS takes whole seconds from 2s to 120s"),
        ("health.healthy_after = 1", AWS, "services.web.health.healthy_after", "1 here; AWS takes 2 to 10"),
        ("health.unhealthy_after = 1", AWS, "services.web.health.unhealthy_after", "1 here; AWS takes 2 to 10"),
        ("health.status = 500", AWS, "services.web.health.status", "statuses from 200 to 499 only"),
        ("deploy.stop_timeout = '3m'", AWS, "services.web.deploy.stop_timeout", "3m here; Fargate takes 2s to 120s"),
        ("deploy.drain = '5m'", AWS, "services.web.deploy.drain", "5m is longer than Fargate's longest stop timeout"),
        ("instances.max = 2\nscale.target.memory = 50", EC2, "services.web.scale.target.memory",
         "needs the CloudWatch agent"),
        ("instances.max = 2\nscale.target.cpu = 50\nscale.period = '5s'", AWS, "services.web.scale.period",
         "AWS has no datapoints of 5s"),
        ("instances.max = 2\nscale.target.cpu = 50\nscale.period = '20s'", EC2, "services.web.scale.period",
         "AWS has no datapoints of 20s"),
        ("slow_start = '5s'", AWS, "services.web.slow_start", "5s here; AWS takes 30s to 15m"),
        ("deploy.strategy = 'canary'", AWS, "services.web.deploy.circuit_breaker", "for the rolling strategy only"),
        ("size = { cpu = 0.3, memory = '600MB' }", AWS, "services.web.size",
         "Fargate has no 0.3 cpu with 600MB; the nearest that holds it is 0.5 cpu with 1GB"),
        ("", "[stores.a]\nkind = 'redis'", "stores.a", "no service uses this store"),
        ("stores = ['a']", "[stores.a]\nkind = 'redis'\nreplicas = 0\n" + AWS, "stores.a.replicas",
         "nothing to fail over to"),
        ("", AWS + "zones = 1", "zones", "an Application Load Balancer needs two zones"),
        ("", AWS + "[listener]\nrate_limit = '5/1m'", "listener.rate_limit", "AWS WAF counts at least 10 requests"),
        ("", AWS + "[listener]\nrate_limit = '100/1s'", "listener.rate_limit", "per 1m, 2m, 5m or 10m"),
    ],
)  # fmt: skip
def test_warnings(lines: str, rest: str, path: str, words: str):
    found = said("routes = ['/']\n" + lines, rest)
    assert [warning.path for warning in found] == [path]
    assert words in found[0].message


def test_rules_are_counted_in_whole_minutes_on_aws():
    rules = (
        "instances.max = 3\nscale.out = { when = 'cpu > 50%', for = '90s', add = 1 }\n"
        "scale.in = { when = 'cpu < 20%', for = '30s', remove = 1 }"
    )
    assert [(one.path, one.message.rsplit(" ", 1)[-1]) for one in said(rules, AWS)] == [
        ("services.web.scale.out", "2m"),
        ("services.web.scale.in", "1m"),
    ]


def test_ecs_scales_on_requests_with_rolling_only():
    found = said(
        "routes = ['/']\ninstances.max = 2\nscale.target.requests = 100\n"
        "deploy = { strategy = 'blue_green', circuit_breaker = false }",
        AWS,
    )
    assert [warning.path for warning in found] == ["services.web.scale.target.requests"]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("gunicorn app:app", "gunicorn closes idle connections after 2s, the balancer after 1m"),
        ("venv/bin/uvicorn app:app --timeout-keep-alive 60", "uvicorn closes idle connections after 1m"),
        ("uvicorn app:app --timeout-keep-alive=x", "add --timeout-keep-alive 75"),
        ("python -m hypercorn app:app --keep-alive", "hypercorn closes idle connections after 5s"),
    ],
)
def test_servers_that_hang_up_before_the_balancer(run: str, words: str):
    text = f"name = 'app'\nservices.web = {{ run = '{run}', routes = ['/'] }}\n{AWS}"
    found = warnings(parse(text))
    assert [warning.path for warning in found] == ["services.web.run"]
    assert words in found[0].message
    assert warnings(parse(text.replace(", routes = ['/']", ""))) == ()


def test_servers_that_wait_long_enough():
    for run in ("uvicorn a:a --timeout-keep-alive 75", "gunicorn a:a --keep-alive=75", "serve"):
        assert warnings(parse(f"name = 'app'\nservices.web = {{ run = '{run}', routes = ['/'] }}\n{AWS}")) == ()


def test_every_word_about_aws_names_its_page():
    for found in said("health = { every = '1s', unhealthy_after = 1 }\nslow_start = '5s'\nroutes = ['/']", AWS):
        assert found.url.startswith("https://docs.aws.amazon.com/")


@pytest.mark.parametrize(
    ("cpu", "mebibytes", "given"),
    [
        (0.25, 512, (0.25, 512)),
        (0.1, 100, (0.25, 512)),
        (0.25, 1500, (0.25, 2048)),
        (0.25, 3000, (0.5, 3072)),
        (1.0, 512, (1.0, 2048)),
        (8.0, 17000, (8.0, 20480)),
        (32.0, 1024, (16.0, 122880)),
    ],
)
def test_sizes_of_fargate(cpu: float, mebibytes: int, given: tuple[float, int]):
    assert fargate_size(cpu, mebibytes * 1024**2) == (given[0], given[1] * 1024**2)
