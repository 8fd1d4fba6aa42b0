"""The file's JSON Schema, made from the types that validate it, so that an editor and `flyball check` agree."""

from __future__ import annotations

from typing import Any

from .schema import FileTable

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of the whole file; shorthands are alternatives of their tables."""
    return {"$schema": DIALECT, "title": "flyball.toml", **FileTable.model_json_schema(mode="validation")}
