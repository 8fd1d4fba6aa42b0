"""Settings that AWS treats differently: each warning, and none for the examples."""

import subprocess
import sys

import pytest

from flyball.aws.lint import warnings
from flyball.aws.sizes import fargate_size
from flyball.core.manifest import LintWarning, parse
from manifests import EXAMPLES

AWS = "[aws]\nregion = 'eu-north-1'\n"
EC2 = AWS + "compute = 'ec2'\n"


def said(lines: str, rest: str = "") -> tuple[LintWarning, ...]:
    return warnings(parse(f"name = 'app'\n[services.web]\nrun = 'serve'\n{lines}\n{rest}"))


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
        ("health = { every = '3s', timeout = '2s' }", AWS, "services.web.health.every",
         "3s here; AWS accepts whole seconds from 5s to 300s"),
        ("health.every = '5500ms'", AWS, "services.web.health.every", "5.5s here"),
        ("health.timeout = '1s'", AWS, "services.web.health.timeout",
         "1s here; AWS accepts whole seconds from 2s to 120s"),
        ("health.healthy_after = 1", AWS, "services.web.health.healthy_after", "1 here; AWS accepts 2 to 10"),
        ("health.unhealthy_after = 1", AWS, "services.web.health.unhealthy_after", "1 here; AWS accepts 2 to 10"),
        ("health.status = 500", AWS, "services.web.health.status", "AWS accepts only statuses from 200 to 499"),
        ("deploy.stop_timeout = '3m'", AWS, "services.web.deploy.stop_timeout", "3m here; Fargate accepts 2s to 120s"),
        ("deploy.drain = '5m'", AWS, "services.web.deploy.drain", "5m is longer than Fargate's longest stop timeout"),
        ("instances.max = 2\nscale.target.memory = 50", EC2, "services.web.scale.target.memory",
         "needs the CloudWatch agent"),
        ("instances.max = 2\nscale.target.cpu = 50\nscale.period = '5s'", AWS, "services.web.scale.period",
         "AWS has no 5s datapoints"),
        ("instances.max = 2\nscale.target.cpu = 50\nscale.period = '20s'", EC2, "services.web.scale.period",
         "AWS has no 20s datapoints"),
        ("slow_start = '5s'", AWS, "services.web.slow_start", "5s here; AWS accepts 30s to 15m"),
        ("deploy.strategy = 'canary'", AWS, "services.web.deploy.circuit_breaker", "only for the rolling strategy"),
        ("size = { cpu = 0.3, memory = '600MB' }", AWS, "services.web.size",
         "Fargate has no 0.3 cpu with 600MB; the smallest size that fits is 0.5 cpu with 1GB"),
        ("stores = ['a']", "[stores.a]\nkind = 'redis'\nreplicas = 0\n" + AWS, "stores.a.replicas",
         "nothing to fail over to"),
        ("", AWS + "zones = 1", "zones", "an Application Load Balancer needs two zones"),
        ("", AWS + "[listener.firewall]\nrate = '5/1m'", "listener.firewall.rate", "WAF counts at least 10"),
        ("", AWS + "[listener.firewall]\nrate = '100/1s'", "listener.firewall.rate", "per 1m, 2m, 5m or 10m"),
        ("", AWS + "[listener.firewall]\nrules = 'owasp-crs'", "listener.firewall.rules", "managed rule groups"),
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


def test_checking_a_file_loads_no_cdk():
    """`flyball check` works, and is quick, without the extra."""
    script = (
        "import sys, flyball.cli.check; print(sorted({'aws_cdk', 'jsii', 'boto3', 'constructs'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
