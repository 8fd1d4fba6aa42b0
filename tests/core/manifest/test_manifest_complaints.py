"""Every mistake at once, each with its place, what was found and what to write instead."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import toml_text
from file_tables import document, tables
from flyball.core.errors import FileError
from flyball.core.manifest import Complaint, ManifestError, parse, render
from flyball.core.manifest.complaints import Unplaced
from flyball.core.manifest.places import Places
from flyball.core.manifest.schema import FileTable, Table
from manifests import complaints, one_service


def drawn(text: str) -> str:
    with pytest.raises(ManifestError) as wrong:
        parse(text)
    assert isinstance(wrong.value, FileError)
    assert wrong.value.exit_code == 2
    return str(wrong.value)


def test_all_mistakes_are_drawn_in_the_order_of_the_file():
    text = """\
name = "app"

[services.web]
run = "serve"
helth = "/health"
stores = ["mesages"]
instances = { min = "many", max = 10 }

[services.web.deploy]
drain = "30 parsecs"

[stores.messages]
kind = "redis"
"""
    assert drawn(text) == (
        "flyball.toml:5:1: services.web.helth: unknown key `helth`, did you mean `health`?\n"
        '     5 | helth = "/health"\n'
        "       | ^^^^^\n"
        "flyball.toml:6:11: services.web.stores[0]: store `mesages` is not declared, did you mean `messages`?\n"
        '     6 | stores = ["mesages"]\n'
        "       |           ^^^^^^^^^\n"
        "flyball.toml:7:21: services.web.instances.min: must be a whole number, found 'many'\n"
        '     7 | instances = { min = "many", max = 10 }\n'
        "       |                     ^^^^^^\n"
        "flyball.toml:10:9: services.web.deploy.drain: "
        "not a duration: '30 parsecs' (write 500ms, 30s, 5m, 1h or 7d)\n"
        '    10 | drain = "30 parsecs"\n'
        "       |         ^^^^^^^^^^^^\n"
        "4 errors; nothing was started"
    )


def under(line: str, number: int, column: int) -> str:
    return f"{number:>6} | {line}\n       | {'^':>{column}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a =", "flyball.toml:1:4: not TOML: invalid value, at the end of the file\n     1 | a =\n       |    ^"),
        (
            "name = 'x'\nfoo bar\n",
            "flyball.toml:2:5: not TOML: expected '=' after a key in a key/value pair\n" + under("foo bar", 2, 5),
        ),
        (
            "a = 1\na = 2",
            "flyball.toml:2:6: not TOML: cannot overwrite a value, at the end of the file\n" + under("a = 2", 2, 6),
        ),
        ("a = " + "[" * 5000, "flyball.toml: not TOML: nested too deeply"),
        ("a = " + "9" * 5000, "flyball.toml: not TOML: a number has too many digits"),
        (
            "a = '",
            "flyball.toml:1:6: not TOML: expected \"'\", at the end of the file\n     1 | a = '\n       |      ^",
        ),
        ("", "flyball.toml: name: `name` is missing\nflyball.toml: services: `services` is missing"),
    ],
)
def test_what_is_not_toml(text: str, expected: str):
    count = 2 if "services" in expected else 1
    assert drawn(text) == f"{expected}\n{count} error{'s' * (count > 1)}; nothing was started"


def test_a_tab_before_the_mistake_keeps_the_caret_below_it():
    assert "     1 | name = 1\n       |        ^\n" in drawn("name\t=\t1\nservices.web.run = 'x'")


def test_windows_line_ends_do_not_move_the_caret():
    assert drawn("name = 1\r\nservices.web.run = 2\r\n").splitlines()[:4] == [
        "flyball.toml:1:8: name: must be text in quotes, found 1",
        "     1 | name = 1",
        "       |        ^",
        "flyball.toml:2:20: services.web.run: must be text in quotes, found 2",
    ]


@pytest.mark.parametrize(
    ("text", "line", "column", "length", "path"),
    [
        ('name = "a"\n[services.web]\nhealth = "/h"', 2, 11, 3, "services.web.run"),
        ('name = "a"\n[services.web]\nrun = "x"\nhealth = "up"', 4, 10, 4, "services.web.health"),
        ('name = "a"\n[services.web]\nrun = "x"\nhealth = 5', 4, 10, 1, "services.web.health"),
        ('name = "a"\n[services.Web]\nrun = "x"', 2, 11, 3, "services.Web"),
        ('name = "a"\n[services."a.b"]\nrun = "x"', 2, 11, 5, 'services."a.b"'),
        ('name = "a"\nservices.w.run = "x"\n[[routes]]\npath = "/a"', 4, 1, 4, "routes[0]"),
        ('name = "a"\nservices.w.run = "x"\n[[routes]]', 3, 3, 6, "routes[0]"),
        ('name = "a"\nservices.w = { run = "x", scale.out = { when = "cpu > 5", add = 0 } }', 2, 65, 1,
         "services.w.scale.out.add"),
        ('name = "a"\nservices.w = { run = "x", scale.out = [{ when = "cpu > 5", add = 0 }] }', 2, 66, 1,
         "services.w.scale.out[0].add"),
        ('name = "a"\nservices.w = { run = "x", routes = 5 }', 2, 36, 1, "services.w.routes"),
        ('name = "a"\ndefaults.instances = { min = 5, max = 2 }\nservices.w.run = "x"', 2, 39, 1,
         "defaults.instances.max"),
        (
            'name = "a"\nservices.w.run = "x"\ndefaults.scale.out = { when = "cpu < 5", add = 1 }',
            3,
            31,
            9,
            "defaults.scale.out.when",
        ),
        ('name = "a"\n[services.web]\nrun = "x"\nname = "y"\nstores = ["z"]', 4, 1, 4, "services.web.name"),
        ('name = "a"\ndefaults.stores = ["b"]\nservices.w.run = "x"', 2, 20, 3, "defaults.stores[0]"),
    ],
)  # fmt: skip
def test_places(text: str, line: int, column: int, length: int, path: str):
    found = complaints(text)[0]
    assert (found.path, found.line, found.column, found.length) == (path, line, column, length)


def test_a_text_without_places_is_reported_by_path_alone():
    places = Places("name = 1", None)
    complaint = places.complaint(Unplaced(path=("name",), message="must be text in quotes, found 1"))
    assert render([complaint], "name = 1", "f.toml") == (
        "f.toml: name: must be text in quotes, found 1\n1 error; nothing was started"
    )
    assert Places.of("no toml").find(("name",)) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("instances = true", "must be a whole number or a table, found true"),
        ("instances = 0", "must be at least 1, found 0"),
        ("instances = 9999", "must be at most 5000, found 9999"),
        ("instances.min = 1.5", "must be a whole number, found 1.5"),
        ("size.cpu = '1'", "must be a number, found '1'"),
        ("size.cpu = nan", "must be a finite number, found nan"),
        ("size.cpu = 1000", "must be at most 192, found 1000"),
        ("size.memory = 512", "must be a size in quotes such as \"512MB\", found 512"),
        ("size.memory = '1MB'", "must be 4MB to 1TB, found 1MB"),
        ("size.burst = 1", "must be true or false, found 1"),
        ("build = ''", "must not be empty, found ''"),
        ("build = '  '", "must be one line and not blank, found '  '"),
        ("test = '''a\nb'''", "must be one line and not blank"),
        ("stores = 'a'", "must be a list, found 'a'"),
        ("stores = ['A']", "must be a name such as web-2: at most 31 lower-case letters, digits and"),
        ("env = []", "must be a table, found a list"),
        ("env = { A = 1 }", "must be text in quotes, found 1"),
        ("env = { 'A B' = '1' }", "must be a variable name such as LOG_LEVEL: letters, digits and _, found 'A B'"),
        ("concurrency = 'many'", 'must be "auto", or a number from 0 to 10000, found \'many\''),
        ("concurrency = true", 'must be "auto", or a number from 0 to 10000, found true'),
        ("concurrency = -1", 'must be "auto", or a number from 0 to 10000, found -1'),
        ("queue = 'long'", "must be a whole number or a table"),
        ("queue = { max = -1 }", "must be at least 0, found -1"),
        ("balancing = 'random'", "must be 'round_robin' or 'least_outstanding_requests', found 'random'"),
        ("slow_start = 30", "must be a duration in quotes such as \"30s\", found 30"),
        ("slow_start = '1h'", "must be 0s to 15m, found 1h"),
        ("deploy.drain = '-1s'", "must not be negative, found '-1s'"),
        ("deploy.minimum_healthy = 101", "must be 0% to 100%, found 101%"),
        ("deploy.minimum_healthy = 0.5", "must be a whole percentage, found 0.5"),
        ("deploy.minimum_healthy = true", "must be a percentage such as 50 or \"50%\", found true"),
        ("deploy.maximum = 99", "must be 100% to 200%, found 99%"),
        ("deploy.rollback.errors = '101%'", "must be 0% to 100%, found 101%"),
        ("deploy.circuit_breaker.failures = 0", "must be a whole number such as 3 or a share such as \"50%\", found 0"),
        ("deploy.circuit_breaker.failures = '0%'", "must be a whole percentage from 1% to 100%, found '0%'"),
        ("deploy.alarms = ['fast']", "not a condition: 'fast'"),
        ("sticky = 5", "must be true, false, a duration such as \"1h\" or a table, found 5"),
        ("sticky = '8d'", "must be 1s to 7d, found 8d"),
        ("health = { path = 'x y' }", "must be a path such as /api, without spaces or #, found 'x y'"),
        ("routes = [{ weight = 1000 }]", "must be at most 999, found 1000"),
        ("scale.target = { latency = 1 }", "`latency` is not suitable for target tracking"),
        ("scale.target = { cpu = 0 }", "must be more than 0, found 0"),
        ("scale.out = { when = 5, add = 1 }", "must be a condition in quotes such as \"cpu > 50%\", found 5"),
        ("scale.out = { when = 'cpu > 5', add = 6000 }", "must be 1 to 5000, found 6000"),
        ("scale.out = { when = 'cpu > 5', add = '0%' }", "must be a whole percentage from 1% to 1000%, found '0%'"),
        ("scale.out = { when = 'cpu > 5', add = [] }", "must be a whole number such as 1 or a percentage such as"),
        ("scale.out = { when = 'cpu > 5', steps = [] }", "must have at least 1 entry, found a list"),
        ("scale.schedule = { cron = '* * *', min = 1 }", "must have five fields"),
        ("scale.schedule = { at = 'noon', min = 1 }", "must be a date and time with offset"),
        ("scale.schedule = { at = 2026-12-24T18:00:00, min = 1 }", "found 2026-12-24 18:00:00"),
        ("scale.schedule = { cron = '* * * * *', timezone = '-', min = 1 }",
         "must be a time zone such as Europe/Stockholm, found '-'"),
        ("[aws]\nregion = 'Stockholm'", "must be an AWS region such as eu-north-1, found 'Stockholm'"),
        ("[aws]\nregion = 'eu-north-1'\nzones = 7", "must be a number from 1 to 6 or a list such as"),
        ("[aws]\nregion = 'eu-north-1'\nzones = ['a', 'g']", "unknown zone 'g', zones are a to f"),
        ("[aws]\nregion = 'eu-north-1'\nzones = ['a', 'a']", "names a zone twice"),
        ("[aws]\nregion = 'eu-north-1'\nzones = []", "needs one zone"),
        ("[aws]\nregion = 'eu-north-1'\nzones = [{}]", "unknown zone a table, zones are a to f"),
        ("[aws.network]\ncidr = '10.0.0.0'", "must be /16 to /28, as AWS allows, found /32"),
        ("[aws.network]\ncidr = '10.0.0.1/16'", "must be an address range such as \"10.0.0.0/16\""),
        ("[aws]\nmachine = 't3'", "must be a machine type such as t3.micro, found 't3'"),
        ("[aws]\ndomain = 'shop'", "must be a domain name in lower case such as shop.example.com, found 'shop'"),
        ("[aws]\nemail = 'ops'", "must be an email address such as ops@example.com, found 'ops'"),
        ("[pipeline]\nbranch = '-main'", "must be a branch name such as main or feature/checkout, found '-main'"),
        ("[pipeline]\nconnection = 'github'", "must be a connection's ARN such as arn:aws:codeconnections:eu-north-1:"),
        ("[pipeline]\nrepository = 'a b'", "must be a repository such as shop or owner/shop, found 'a b'"),
        ("[observe]\notlp = 'collector'", "must be a URL such as http://127.0.0.1:4318, found 'collector'"),
        ("routes = [{ host = 'a_b' }]", "must be a host name such as shop.example.com or *.example.com, found 'a_b'"),
        ("routes = [{ header = { 'a b' = 'c' } }]", "must be a header name such as x-version, at most 40 characters"),
        ("[[routes]]\nredirect = 'away'", "must be a path or URL such as https://example.com/new, found 'away'"),
        ("[[routes]]\nstatus = 404\ncontent_type = 'html'", "must be a media type such as text/html, found 'html'"),
        ("[listener.tls]\nhsts = 30", 'must be true, false or a duration such as "30d", found 30'),
        ("[listener.tls]\nhsts = 'ever'", "not a duration: 'ever'"),
        ("[listener.tls]\nhsts = '0s'", "must be 1s to 730d, found 0s"),
        ("[listener.acme]\ndomains = '*.a.org'\nagree = true", "must be a domain name in lower case such as"),
        ("[listener.acme]\ndomains = 'a.org'\nagree = true\ndirectory = 'http://a'", "must be an address such as"),
        ("[listener.tls]\narn = 'mine'", "must be a certificate's ARN such as arn:aws:acm:eu-north-1:"),
        ('env = { A = "\\u0000" }', "must not contain a null character"),
        ("[stores.s]\nkind = 'table'\nttl = '1st'",
         "must be an attribute name such as created_at: letters, digits and _"),
        ("[stores.s]\nkind = 'table'\nkey = {}", "must have at least 1 entry, found a table"),
        ("[stores.s]\nkind = 'table'\nkey = { a = 'string', b = 'string', c = 'string' }",
         "must have at most 2 entries"),
        ("[listener.firewall]\nrate = 'many'", "not a rate: 'many'"),
        ("[listener.firewall]\nrate = { per = '1m' }", "`requests` is missing"),
        ("[listener]\nrate_limit = '100/1m'", "`rate_limit` is `rate` under [listener.firewall]"),
        ("[aws]\nregion = 'eu-north-1'\nwaf = false", "`waf` is `managed` under [listener.firewall]"),
        ("[listener.firewall]\ndeny = '10.0.0.1/8'", "'10.0.0.1/8' is no range: did you mean 10.0.0.0/8?"),
        ("[listener.firewall]\nallow = ['nobody']", "must be an address or a range such as 203.0.113.0/24"),
        ("[listener.firewall]\nmethods = 'get'", "must be a method such as GET, in capitals"),
        ("[listener.firewall]\nheaders = '1MB'", "must be 256B to 60KB, found 1MB"),
        ("[listener.firewall]\nbad_input = 'blok'", "must be 'block' or 'count', found 'blok'"),
        ("[pipeline]\nbrunch = 'main'", "unknown key `brunch`"),
        ("[nonsense]\na = 1", "unknown key `nonsense`"),
    ],
)  # fmt: skip
def test_words(line: str, words: str):
    found = complaints(one_service(line))
    assert any(words in complaint.message for complaint in found), found


def test_a_far_key_lists_what_is_known():
    found = complaints("name = 'a'\nservices.web.run = 'x'\n[pipeline]\nzzz = 1")[0]
    assert found.hint == "known are branch, connection, repository"


def test_mistakes_that_another_mistake_caused_are_not_named():
    text = """
name = "app"
[services.web]
run = 5
stores = ["cache", "gone"]
routes = [7]
scale.target.requests = 10
[services.api]
run = "x"
routes = ["/"]
[services.other]
run = "y"
routes = ["/"]
[stores]
cache = 5
"""
    assert [complaint.path for complaint in complaints(text)] == [
        "services.web.run",
        "services.web.stores[1]",
        "services.web.routes[0]",
        "services.other.routes[0]",
        "stores.cache",
    ]


def test_a_mistake_does_not_hide_those_beside_it():
    text = """
name = "app"
[services.web]
run = "x"
scale = { target = { cpu = 500, memory = "x" }, out = { when = "cpus > 5", add = 1 }, period = "soon" }
[services.api]
run = "y"
scale = { out = { when = "cpu > 50%" }, period = "soon" }
"""
    assert [complaint.path for complaint in complaints(text)] == [
        "services.web.scale.target.cpu",
        "services.web.scale.target.memory",
        "services.web.scale.out.when",
        "services.web.scale.period",
        "services.api.scale.out",
        "services.api.scale.period",
    ]


@pytest.mark.parametrize(
    ("kind", "hint"), [("tabel", "did you mean 'table'?"), ("Redis", "did you mean 'redis'?"), ("x", ""), (5, "")]
)
def test_a_kind_of_store_that_does_not_exist(kind: object, hint: str):
    text = f"name = 'a'\nservices.web.run = 'x'\nstores.s = {{ kind = {kind!r}, key = {{ id = 'string' }} }}"
    assert [(one.path, one.hint) for one in complaints(text)] == [("stores.s.kind", hint)]


FIELDS = [
    (at, table, field.alias or name) for at, table in tables(FileTable) for name, field in table.model_fields.items()
]
# No key takes a day without a time.
NOTHING = dt.date(2026, 11, 20)


def test_the_walk_reaches_every_table():
    assert len(FIELDS) > 150
    assert {table for _, table, _ in FIELDS} == {table for _, table in tables(FileTable)}


@pytest.mark.parametrize(
    ("at", "table", "key"), FIELDS, ids=lambda part: ".".join(map(str, part)) if isinstance(part, tuple) else None
)
def test_every_key_refuses_another_type(at: tuple[Any, ...], table: type[Table], key: str):
    found = complaints(toml_text.dump(document(at, table, key, NOTHING)))
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in (*at, key)).lstrip(".")
    mine = [complaint for complaint in found if complaint.path == path]
    assert len(mine) == 1, found
    assert mine[0].line is not None
    assert "2026-11-20" in mine[0].message
    assert "Input" not in mine[0].message


@pytest.mark.parametrize(
    ("at", "table"),
    list(tables(FileTable)),
    ids=lambda part: ".".join(map(str, part)) if isinstance(part, tuple) else None,
)
def test_every_table_refuses_unknown_keys(at: tuple[Any, ...], table: type[Table]):
    found = complaints(toml_text.dump(document(at, table, "nonsense", 1)))
    mine = [complaint for complaint in found if complaint.path.endswith("nonsense")]
    assert [complaint.message for complaint in mine] == ["unknown key `nonsense`"]
    assert mine[0].line is not None
    assert mine[0].length == len("nonsense")


def test_what_a_misspelt_key_caused_is_not_named():
    rule = "scale.out = [{ when = 'cpu > 5', ad = 1 }]"
    text = f"name = 'a'\nservices.web = {{ run = 'x', {rule}, routes = ['/', {{ path = '/b', wait = 1 }}] }}"
    text += "\nservices.api = { run = 'y', routes = ['/'] }\naws.regoin = 'eu-north-1'"
    assert [complaint.path for complaint in complaints(text)] == [
        "services.web.scale.out[0].ad",
        "services.web.routes[1].wait",
        "services.api.routes[0]",
        "aws.regoin",
    ]


def test_complaints_are_values():
    assert Complaint(path="a", message="b") == Complaint(path="a", message="b")


def _with_pattern(node: Any, around: str = "") -> list[tuple[str, str]]:
    """Every pattern within a validator's schema, with the type of the schema around it."""
    if isinstance(node, dict):
        own = [(str(node["pattern"]), around)] if node.get("type") == "str" and "pattern" in node else []
        return own + [pair for held in node.values() for pair in _with_pattern(held, str(node.get("type", around)))]
    if isinstance(node, list | tuple):
        return [pair for held in node for pair in _with_pattern(held, around)]
    return []


def test_no_pattern_is_shown_to_a_user():
    found = _with_pattern(FileTable.__pydantic_core_schema__)
    assert found
    assert [pattern for pattern, around in found if around != "function-wrap"] == []
