"""The rules across tables: one file for each, and what is said of it."""

import pytest

from manifests import complaints, one_service

BASE = one_service()
AWS = "\n[aws]\nregion = 'eu-north-1'\n"


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ("stores = ['a']", "services.web.stores[0]", "store `a` is not declared"),
        ("stores = ['a', 'a']\n[stores.a]\nkind = 'redis'", "services.web.stores[1]", "listed twice"),
        ("env = { PORT = '1' }", "services.web.env.PORT", "Flyball sets PORT"),
        ("stores = ['a-b']\nenv = { A_B_URL = '1' }\n[stores.a-b]\nkind = 'redis'", "services.web.env.A_B_URL",
         "Flyball sets A_B_URL for store `a-b`"),
        ("env = { A = '$PORT' }", "services.web.env.A", "$PORT is not filled in here, only in `run`"),
        ("env = { A = 'x', B = '${A}/b' }", "services.web.env.B", "$A is not filled in here, only in `run`"),
        ("stores = ['a']\nenv = { B = '$A_URL' }\n[stores.a]\nkind = 'redis'", "services.web.env.B",
         "$A_URL is not filled in here"),
        ("instances = { min = 5, max = 2 }", "services.web.instances.max", "2 is below min 5"),
        ("instances = { min = 1, max = 2, start = 3 }", "services.web.instances.start",
         "3 is not within min 1 and max 2"),
        ("instances = { min = 1, start = 0 }", "services.web.instances.start", "0 is not within min 1 and max 1"),
        ("health = { every = '5s', timeout = '6s' }", "services.web.health.timeout",
         "6s must be shorter than every 5s"),
        ("health = { every = '5s', timeout = '5s' }", "services.web.health.timeout",
         "5s must be shorter than every 5s"),
        ("health.status = { min = 300, max = 200 }", "services.web.health.status.max", "200 is below min 300"),
        ("deploy = { minimum_healthy = 100, maximum = 100 }", "services.web.deploy.maximum",
         "it would wait for ever"),
        ("deploy.maximum = '100%'", "services.web.deploy.maximum", "it would wait for ever"),
        ("deploy = { strategy = 'blue_green', maximum = 150 }", "services.web.deploy.maximum",
         "no room for a complete second set"),
        ("deploy = { bake = '1m', rollback.within = '2m' }", "services.web.deploy.rollback.within",
         "differs from `bake`"),
        ("deploy.circuit_breaker = { failures = 3, bounded = true }", "services.web.deploy.circuit_breaker.bounded",
         "only applies to a share"),
        ("slow_start = '30s'\nbalancing = 'least_outstanding_requests'", "services.web.slow_start",
         "slow start cannot be combined with least_outstanding_requests"),
        ("queue.wait = '60s'", "services.web.queue.wait", "1m is not below the listener's idle_timeout of 1m"),
        ("queue.wait = '20s'\n[listener]\nidle_timeout = '10s'", "services.web.queue.wait",
         "20s is not below the listener's idle_timeout of 10s"),
        ("routes = ['/', '/']", "services.web.routes[1]", "route `/` is given twice"),
        ("routes = ['/']\n[services.api]\nrun = 'x'\nroutes = ['/']", "services.api.routes[0]",
         "route `/` also belongs to `web`"),
        ("routes = [{ path = '/', weight = 1 }]\n[services.api]\nrun = 'x'\nroutes = ['/']", "services.api.routes[0]",
         "route `/` also belongs to `web`"),
        ("routes = [{ weight = 1, priority = 1 }]\n[services.api]\nrun = 'x'\nroutes = [{ weight = 1 }]",
         "services.api.routes[0]", "shares a route with `web`, so it must have the same priority"),
        ("routes = [{ weight = 0 }]\n[services.api]\nrun = 'x'\nroutes = [{ weight = 0 }]", "services.web.routes[0]",
         "every service on this route has weight 0"),
        ("routes = [{ host = 'A.org' }]\n[[routes]]\nhost = 'a.org'\nstatus = 404", "routes[0]",
         "route `/` is given twice"),
        ("routes = [{ path = '/a', priority = 5 }]\n[[routes]]\npriority = 5\nstatus = 404", "routes[0].priority",
         "priority 5 is already used by route `/a`"),
        ("[[routes]]\npath = '/a'", "routes[0]", "needs `redirect` or `status`"),
        ("[[routes]]\nstatus = 301", "routes[0].status", "301 needs `redirect`"),
        ("[[routes]]\nstatus = 404\nbody = '" + "\u00e9" * 600 + "'", "routes[0].body", "longer than 1024 bytes"),
        ("[[routes]]\nredirect = '/a'\nstatus = 307", "routes[0].status", "must be 301 or 302, found 307"),
        ("[[routes]]\nredirect = '/a'\nbody = 'x'", "routes[0].body", "cannot be combined with `redirect`"),
        ("[listener]\ntls.certificate = 'a.pem'", "listener.tls", "certificate and key go together"),
        ("[listener]\ntls.certificate = 'acme'", "listener.tls.certificate", "needs to know for whom"),
        ("[listener]\ntls = { certificate = 'acme', key = 'a.key' }\nacme = { domains = 'a.org', agree = true }",
         "listener.tls.key", "the authority's certificate brings its own key; remove this one"),
        ("[listener]\nacme = { domains = 'a.org', agree = true }", "listener.acme",
         'is used only with tls = { certificate = "acme" }'),
        ("[listener]\ntls.certificate = 'acme'\nacme = { domains = 'a.org', agree = false }",
         "listener.acme.agree", "must be true: the authority asks whether you accept"),
        ("[stores.a]\nkind = 'redis'\nkey = { a = 'string' }", "stores.a.key", "is for kind `table`, not `redis`"),
        ("[stores.a]\nkind = 'bucket'\nttl = 'expires'", "stores.a.ttl", "is for kind `table`, not `bucket`"),
        ("[stores.a]\nkind = 'bucket'\nreplicas = 1", "stores.a.replicas", "is for kind `redis`, not `bucket`"),
        ("[stores.a]\nkind = 'redis'\narchive_after = '1d'", "stores.a.archive_after", "is for kind `bucket`"),
        ("[stores.a]\nkind = 'table'", "stores.a", "a table needs a key"),
        ("[stores.a]\nkind = 'bucket'\narchive_after = '36h'", "stores.a.archive_after", "must be whole days"),
        ("[observe]\nlog_retention = '36h'", "observe.log_retention", "must be whole days"),
        ("[observe]\notlp = 'http://127.0.0.1:99999'", "observe.otlp", "must be a URL such as http://127.0.0.1:4318"),
        ("[observe]\notlp = 'http://:4318'", "observe.otlp", "must be a URL such as http://127.0.0.1:4318"),
        ("[network]\ncidr = '10.0.0.0/16'", "network.cidr", "is only used on AWS"),
        ("[aws]\ncompute = 'ec2'", "aws", "`region` is missing"),
        (AWS + "network.cidr = '10.0.0.0/16'\n[network]\ncidr = '10.0.0.0/16'", "aws.network",
         "is also given as [network]"),
        (AWS + "network.cidr = '10.0.0.0/25'", "aws.network.cidr", "too small to divide"),
        (AWS + "network.public_subnets = ['10.0.0.0/24']", "aws.network.public_subnets",
         "must have one range per zone, 2 in all, found 1"),
        (AWS + "[network]\nprivate_subnets = ['10.0.5.0/24', '10.1.0.0/24']", "network.private_subnets[1]",
         "10.1.0.0/24 is not within 10.0.0.0/16"),
        (AWS + "[network]\nprivate_subnets = ['10.0.5.0/24', '10.0.5.0/25']", "network.private_subnets[1]",
         "10.0.5.0/25 overlaps another subnet"),
    ],
)  # fmt: skip
def test_rules(lines: str, path: str, words: str):
    found = complaints(BASE + lines)
    assert [complaint.path for complaint in found] == [path]
    assert words in found[0].message
    assert found[0].line is not None


@pytest.mark.parametrize(
    ("lines", "path", "words"),
    [
        ("target.cpu = 101", "target.cpu", "must be 1% to 100%, found 101%"),
        ("target.requests = 10", "target.requests", "counts requests, but the service has no routes"),
        ("predictive.requests = 10", "predictive.requests", "counts requests, but the service has no routes"),
        ("predictive = { cpu = 1, memory = 1 }", "predictive", "needs exactly one of cpu, memory, requests"),
        ("hpa = { cpu = 50, memory = 50 }", "hpa", "needs exactly one of cpu, memory, requests"),
        ("hpa = {}", "hpa", "needs exactly one of cpu, memory, requests"),
        ("hpa.cpu = 101", "hpa.cpu", "must be 1% to 100%, found 101%"),
        ("hpa.requests = 10", "hpa.requests", "counts requests, but the service has no routes"),
        ("hpa = { cpu = 50, in_rates = ['4'] }", "hpa.in_rates[0]", "must be a rate such as"),
        ("hpa = { cpu = 50, in_rates = ['4/0s'] }", "hpa.in_rates[0]", "must be a rate such as"),
        ("kpa = {}", "kpa", "needs exactly one of concurrency, rps"),
        ("kpa.rps = 10", "kpa.rps", "counts requests, but the service has no routes"),
        ("kpa.concurrency = 10", "kpa.concurrency", "counts requests, but the service has no routes"),
        ("adaptive = { slo = 'p99 < 200ms' }", "adaptive.slo", "the service has no p99: without routes"),
        ("adaptive = { slo = 'p99 > 200ms' }", "adaptive.slo", "must be a latency below a limit such as p99 < 200ms"),
        ("adaptive = { slo = 'cpu < 50%' }", "adaptive.slo", "must be a latency below a limit such as p99 < 200ms"),
        ("adaptive = { slo = 'p98 < 1s' }", "adaptive.slo", "not a condition: 'p98 < 1s'"),
        ("adaptive = { slo = 200 }", "adaptive.slo", "must be an objective in quotes such as"),
        ("adaptive = {}", "adaptive.slo", "is missing"),
        ("out = { when = 'requests > 10', add = 1 }", "out.when", "counts requests, but the service has no routes"),
        ("out = { when = 'cpu < 10', add = 1 }", "out.when", "an out rule needs > or >=, found <"),
        ("in = { when = 'cpu > 10', remove = 1 }", "in.when", "an in rule needs < or <=, found >"),
        ("out = { when = 'cpu > 10' }", "out", "needs exactly one of add, set, steps"),
        ("in = { when = 'cpu < 10', set = 1, remove = 1 }", "in", "needs exactly one of remove, set, steps"),
        ("out = { when = 'cpu > 10', steps = [{}] }", "out.steps[0]", "needs exactly one of add, set"),
        ("out = { when = 'cpu > 10', steps = [{ from = 10, to = 20, add = 1 }, { from = 20, set = 1 }] }", "out.steps",
         "must all be numbers, all percentages or all `set`"),
        ("out = { when = 'cpu > 10', steps = [{ from = 10, to = 20, add = 1 }, { from = 30, add = 1 }] }",
         "out.steps[1]",
         "steps leave a gap at 20%"),
        ("out = { when = 'cpu > 10', steps = [{ from = 10, to = 30, add = 1 }, { from = 20, add = 1 }] }",
         "out.steps[1]",
         "steps overlap from 20%"),
        ("out = { when = 'cpu > 10', steps = [{ from = 20, add = 1 }] }", "out.steps[0].from",
         "steps must begin at the threshold, 10%"),
        ("out = { when = 'cpu > 10', steps = [{ to = 20, add = 1 }] }", "out.steps[0].to",
         "the last step must be open"),
        ("in = { when = 'cpu < 10', steps = [{ to = 5, remove = 1 }] }", "in.steps[0].to",
         "steps must begin at the threshold, 10%"),
        ("in = { when = 'cpu < 10', steps = [{ from = 5, to = 10, remove = 1 }] }", "in.steps[0].from",
         "the last step must be open"),
        ("schedule = { min = 1 }", "schedule", "needs exactly one of cron, at"),
        ("schedule = { cron = '* * * * *' }", "schedule", "needs min, max or desired"),
        ("schedule = { cron = '* * * * *', min = 3, max = 2 }", "schedule.max", "2 is below min 3"),
        ("schedule = { cron = '* * * * *', min = 3, desired = 2 }", "schedule.desired", "2 is not within its own"),
        ("schedule = { cron = '* * * * *', max = 3, desired = 4 }", "schedule.desired", "4 is not within its own"),
    ],
)  # fmt: skip
def test_scaling_rules(lines: str, path: str, words: str):
    found = complaints(BASE + "[services.web.scale]\n" + lines)
    assert [complaint.path for complaint in found] == [f"services.web.scale.{path}"]
    assert words in found[0].message
    assert found[0].line is not None


def test_a_step_that_ends_before_it_begins():
    rule = "out = { when = 'cpu > 10', steps = [{ from = 10, to = 10, add = 1 }, { from = 10, add = 2 }] }"
    found = complaints(BASE + "[services.web.scale]\n" + rule)
    assert [complaint.message for complaint in found] == ["must be above `from`"]


def test_rules_that_would_make_the_capacity_swing():
    rules = "out = { when = 'cpu > 30%', add = 1 }\nin = { when = 'cpu < 50%', remove = 1 }"
    found = complaints(BASE + "[services.web.scale]\n" + rules)
    assert [complaint.message for complaint in found] == ["scales in below 50% while another rule scales out above 30%"]
    other = "out = { when = 'memory > 30%', add = 1 }\nin = { when = 'cpu < 50%', remove = 1 }"
    assert complaints(BASE + "[services.web.scale]\n" + other) == ()


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("serve 'a", "cannot be split into words: no closing quotation"),
        ("serve \\\\", "cannot be split into words: no escaped character"),
        ("''", "names no program"),
    ],
)
def test_what_cannot_be_run(run: str, words: str):
    found = complaints(f'name = "app"\nservices.web.run = "{run}"')
    assert [complaint.message for complaint in found] == [words]


def test_time_zones_are_those_that_are_known():
    text = BASE + "scale.schedule = { cron = '* * * * *', min = 1, timezone = 'Europe/Stokholm' }"
    assert complaints(text) == ()
    found = complaints(text, frozenset({"Europe/Stockholm"}))
    assert [(one.message, one.hint) for one in found] == [
        ("unknown time zone 'Europe/Stokholm'", "did you mean `Europe/Stockholm`?")
    ]
    assert complaints(text, frozenset({"UTC"}))[0].hint == ""
    assert complaints(text.replace("Stokholm", "Stockholm"), frozenset({"Europe/Stockholm"})) == ()


def test_zones_written_twice_must_agree():
    text = "name = 'app'\nzones = 3\nservices.web.run = 'x'\n" + AWS
    assert [one.path for one in complaints(text + "zones = 2")] == ["aws.zones"]
    assert complaints(text + "zones = ['a', 'b', 'c']") == ()


def test_services_may_share_a_route_by_weight():
    shared = "routes = [{ path = '/', weight = 9, priority = 1 }]\n"
    assert complaints(BASE + shared + "[services.canary]\nrun = 'x'\n" + shared) == ()


def test_equal_paths_under_other_hosts_are_other_routes():
    assert complaints(BASE + "routes = ['/', { host = 'a.org' }, { header = { A = 'b' } }]") == ()


def test_a_dollar_that_names_nothing_is_a_dollar():
    assert complaints(one_service("env = { PASSWORD = 'pa$word', PRICE = '$5' }")) == ()


@pytest.mark.parametrize(
    ("schedule", "path", "words"),
    [
        ("{ cron = '0 8 * * *', min = 5 }", "services.web.scale.schedule.min", "5 is above max 3 of `instances`"),
        ("{ cron = '0 8 * * *', max = 1 }", "services.web.scale.schedule.max", "1 is below min 2 of `instances`"),
    ],
)
def test_a_scheduled_bound_beyond_the_other_one(schedule: str, path: str, words: str):
    [found] = complaints(one_service(f"instances = {{ min = 2, max = 3 }}\nscale.schedule = {schedule}"))
    assert found.path == path
    assert words in found.message


def test_a_scheduled_minimum_below_a_scheduled_maximum():
    raised = "[{ cron = '0 7 * * *', max = 9 }, { cron = '0 8 * * *', min = 5 }]"
    assert complaints(one_service(f"instances = {{ min = 2, max = 3 }}\nscale.schedule = {raised}")) == ()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("image = 'nginx'", "`image` is not used: an instance is a process; write what the image starts as `run`"),
        ("port = 8000", "`port` is not chosen: every instance gets its own as $PORT"),
        ("env_file = '.env'", '`env_file` is not read: write env = { NAME = "value" }'),
        ("volumes = ['data:/data']", "`volumes` do not exist: keep files in a store"),
        ("secrets = ['KEY']", "`secrets` do not exist yet: let the program read a file outside the source"),
        ("[jobs.nightly]\nrun = 'x'", "`jobs` do not exist yet: start a timed job with cron"),
    ],
)
def test_what_other_tools_have_says_what_to_write_instead(lines: str, words: str):
    [found] = complaints(one_service(lines))
    assert found.message.startswith(words)
