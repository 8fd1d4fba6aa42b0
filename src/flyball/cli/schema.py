"""`flyball schema`: the file's JSON Schema on stdout."""

from __future__ import annotations

import json
import sys

from flyball.core.manifest import json_schema


def text() -> str:
    """The schema, exactly as in the repository's `schema/flyball.schema.json`."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def run() -> int:
    """Print the schema."""
    sys.stdout.write(text())
    return 0
