"""The key tables of `docs/reference/file.md`, made from the types. Write them anew: python tests/file_reference.py"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from flyball.core.manifest import json_schema, units

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "file.md"
BLOCK = re.compile(r"<!-- keys: (?P<table>\w+) -->\n.*?<!-- end -->", re.DOTALL)

_PATTERNS = {
    units.DURATION_PATTERN: "duration",
    units.SIZE_PATTERN: "size",
    units.PERCENT_PATTERN: "percentage",
    units.RATE_PATTERN: "rate",
    units.CONDITION_PATTERN: "condition",
    r"^/[^\s#]{0,127}$": "path",
    r"^[a-z][a-z0-9-]{0,30}$": "name",
}


def written(page: str) -> str:
    """The page with every block of keys as the types have it now."""
    schema = json_schema()
    definitions = {**schema["$defs"], "FileTable": schema}
    return BLOCK.sub(lambda block: _block(block["table"], definitions), page)


def documented(page: str) -> list[str]:
    """The tables that the page has blocks for."""
    return [block["table"] for block in BLOCK.finditer(page)]


def _block(table: str, definitions: dict[str, Any]) -> str:
    held = definitions[table]
    keys = next((part for part in held.get("anyOf", []) if "properties" in part), held)
    rows = [
        f"| `{name}` | {_kind(key, definitions)} | {_default(name, key, keys)} | {_escaped(key['description'])} |"
        for name, key in keys["properties"].items()
    ]
    lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |", *rows]
    return "\n".join([f"<!-- keys: {table} -->", *lines, "<!-- end -->"])


def _default(name: str, key: dict[str, Any], table: dict[str, Any]) -> str:
    if name in table.get("required", []):
        return "required"
    default = key.get("default")
    return "" if default is None else f"`{units.value_text(default) if isinstance(default, bool) else default}`"


def _kind(key: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "anyOf" in key:
        return " or ".join(dict.fromkeys(_kind(part, definitions) for part in key["anyOf"]))
    if "$ref" in key:
        return _reference(key["$ref"].rsplit("/", 1)[-1], definitions)
    if "enum" in key:
        return ", ".join(f"`{one}`" for one in key["enum"])
    if key["type"] == "array":
        return "list of: " + _kind(key["items"], definitions)
    if key["type"] == "object":
        return "table of: " + _kind(next(iter(key["patternProperties"].values())), definitions)
    if key["type"] == "string":
        return _PATTERNS.get(key.get("pattern", ""), "date and time" if "format" in key else "text")
    return {"integer": "whole number", "number": "number", "boolean": "true or false"}[key["type"]] + _range(key)


def _range(key: dict[str, Any]) -> str:
    low, high = key.get("minimum"), key.get("maximum")
    if low is None or high is None:
        return ""
    return f", {units.number_text(low)} to {units.number_text(high)}" if high < 1e9 else ""


def _reference(name: str, definitions: dict[str, Any]) -> str:
    held = definitions[name]
    if "enum" in held:
        return _kind(held, definitions)
    short = [part for part in held.get("anyOf", []) if "properties" not in part]
    link = f"[{name}](#{name.lower()})"
    return " or ".join([*(_kind(part, definitions) for part in short), link])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
