"""The JSON Schema is the types': what the parser takes, it takes; what it refuses, the parser refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

import file_reference
from file_tables import required, tables
from flyball.core import model
from flyball.core.manifest import json_schema
from flyball.core.manifest.schema import FileTable, Table
from manifests import EXAMPLES

TABLES = list(dict.fromkeys(table for _, table in tables(FileTable)))
ROOT = Path(__file__).parents[3]
VALIDATOR = jsonschema.Draft202012Validator(json_schema())
CANDIDATES: list[Any] = [
    True, False, -1, 0, 1, 50, 200, 1.5, "", "x", "30s", "1d", "512MB", "1%", "100/1m", "/a", "cpu > 5%", "* * * * *",
    "10.0.0.0/16", "eu-north-1", "t3.micro", "2026-11-20T18:00:00Z", "UTC", "rolling", "ec2", "string", "latency",
    "a@b.org", "a.org", "http://a.org", "text/plain", [], ["x"], ["/a"], ["a", "b"], ["10.0.0.0/24"], {}, {"zz": 1},
    {"zz": "string"}, {"web": {"run": "x"}}, {"path": "/a"}, ["eu-north-1"], "redis", "closed",
    "round_robin", "arn:aws:acm:x", "arn:aws:codeconnections:x", [{"add": 1}], [{"remove": 1}], [{"when": "cpu > 5%"}],
    {"min": 1, "max": 2}, "p99 < 1s", {"slo": "p99 < 1s"}, "archive", "python@3.12", "node@22", "one",
    "block", "GET", "1KB", "owasp-crs", [942100], "open", "https://a.org/dir", {"domains": "a.org", "agree": True},
]  # fmt: skip


def test_it_is_a_schema_of_the_draft_it_names():
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_one_in_the_repository_is_current():
    assert json.loads((ROOT / "schema" / "flyball.schema.json").read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_takes_the_examples(name: str):
    VALIDATOR.validate(tomllib.loads(EXAMPLES[name]))


def is_taken(table: type[Table], value: Any) -> bool:
    try:
        table.model_validate(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_what_a_table_takes_its_schema_takes(table: type[Table]):
    held = json_schema()
    if table is not FileTable:
        held = {"$defs": held["$defs"], "$ref": f"#/$defs/{table.__name__}"}
    validator = jsonschema.Draft202012Validator(held)
    for name, field in table.model_fields.items():
        taken = [one for one in CANDIDATES if is_taken(table, {**required(table), field.alias or name: one})]
        assert taken, name
        for one in taken:
            assert validator.is_valid({**required(table), field.alias or name: one}), (name, one)
    for one in CANDIDATES:
        if is_taken(table, one):
            assert validator.is_valid(one), one


def test_every_key_has_a_description():
    for name, held in json_schema()["$defs"].items():
        assert "description" in held or "enum" in held, name
    for _, table in tables(FileTable):
        for name, field in table.model_fields.items():
            assert field.description, (table, name)


# Fields that a key sets under another name, through its own table or by counting.
RESOLVED = {
    "Application": {
        "name", "services", "stores", "listener", "zones", "pipeline", "observe", "boundary", "aws",
        "regions", "edge", "region",
    },
    "Service": {
        "name", "run", "environment", "routes", "health", "stores", "size", "capacity", "scaling", "deployment",
        "balancing", "queue", "egress", "tls", "tls_ca",
    },
    "Egress": {"everywhere", "to"},
    "Capacity": {"max"},
    "HealthCheck": {"status_min", "status_max"},
    "Balancing": {"algorithm", "slow_start_s", "stickiness"},
    "Condition": {"host", "headers"},
    "Listener": {"tls", "firewall", "redirects", "fixed_responses"},
    "Tls": {"hsts_s", "acme"},
    "Acme": {"domains"},
    "Firewall": {"allow", "deny", "rates", "methods", "core_rules", "uploads"},
    "CoreRules": {"skip_rules", "skip_paths", "fail_open"},
    "RateLimit": {"requests", "per_s"},
    "Route": {"condition", "weight", "priority", "queue"},
    "Redirect": {"condition", "location", "status", "priority"},
    "FixedResponse": {"condition", "status", "body", "content_type", "priority"},
    "Scaling": {"target_tracking", "steps", "schedule", "predictive", "hpa", "kpa", "adaptive", "shape"},
    "Adaptive": {"metric", "threshold"},
    "Hpa": {"metric", "target_value", "out_rates", "in_rates"},
    "Kpa": {"metric", "target_value"},
    "ChangeRate": {"amount", "percent", "period_s"},
    "TargetTracking": {"metric", "target_value"},
    "StepScaling": {
        "metric", "comparison", "threshold", "duration_s", "adjustment_type", "steps", "min_adjustment_magnitude",
        "cooldown_s",
    },
    "StepAdjustment": {"lower_bound", "upper_bound", "amount"},
    "PredictiveScaling": {"metric", "target_value"},
    "Deployment": {"circuit_breaker", "rollback", "alarms"},
    "CircuitBreaker": {"threshold_type", "value"},
    "RolloutAlarm": {"metric", "comparison", "threshold", "duration_s"},
    "Store": {"name", "kind", "key"},
    "KeyField": {"name", "type"},
    "Observe": {"log_retention_days"},
    "Network": {"public_subnets", "private_subnets"},
    "Aws": {"network"},
    "Region": {"name", "zones", "serves", "services"},
    "RegionService": {"name", "size", "capacity"},
    "Edge": {"health", "sources"},
}  # fmt: skip


def test_every_field_of_the_model_can_be_written():
    reached: dict[str, set[str]] = {name: set(held) for name, held in RESOLVED.items()}
    for _, table in tables(FileTable):
        for field in table.model_fields.values():
            extra = field.json_schema_extra
            if table.model is not None and isinstance(extra, dict):
                reached.setdefault(table.model.__name__, set()).add(str(extra["x-to"]))
    for name in model.__all__:
        held = getattr(model, name)
        if is_dataclass(held):
            assert {field.name for field in fields(held)} <= reached.get(name, set()), name


def test_the_reference_page_is_current():
    page = file_reference.PAGE.read_text(encoding="utf-8")
    assert file_reference.written(page) == page, "run: python tests/file_reference.py"
    named = {table.__name__ for _, table in tables(FileTable)}
    assert set(file_reference.documented(page)) == named


@pytest.mark.live
def test_an_editors_checker_agrees(tmp_path: Path):
    (tmp_path / "flyball.schema.json").write_text(json.dumps(json_schema()), encoding="utf-8")
    for name, text in EXAMPLES.items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    wrong = EXAMPLES["visitor-board"].replace("health ", "helth ").replace("min = 1", 'min = "one"')
    (tmp_path / "wrong.toml").write_text(wrong, encoding="utf-8")
    tombi = str(Path(sys.executable).with_name("tombi"))

    def lint(*files: str) -> subprocess.CompletedProcess[str]:
        command = [tombi, "lint", "--offline", *files]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    good = lint(*(f"{name}.toml" for name in EXAMPLES))
    assert good.returncode == 0, good.stdout + good.stderr
    bad = lint("wrong.toml")
    assert bad.returncode != 0
    assert "helth" in bad.stdout + bad.stderr
    assert "Integer" in bad.stdout + bad.stderr
