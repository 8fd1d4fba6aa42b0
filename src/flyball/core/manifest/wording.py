"""Pydantic's errors as plain sentences, with a guess at what was meant."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic_core import ErrorDetails

from . import units
from .schema import FileTable, Table

_WORDS = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text in quotes",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "not_a_table": "must be {wanted}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
}


def sentence(error: ErrorDetails) -> str:
    """One error as a sentence, with the value found."""
    kind, context, found = error["type"], error.get("ctx", {}), units.value_text(error["input"])
    if kind == "value_error":
        return str(context["error"])
    if kind == "missing":
        return f"`{error['loc'][-1]}` is missing"
    limits = {name: units.number_text(held) if isinstance(held, float) else held for name, held in context.items()}
    return f"{_WORDS.get(kind, error['msg']).format(**limits)}, found {found}"


def meant(error: ErrorDetails) -> str:
    """A hint if the value is close to an allowed word, else ""."""
    if error["type"] != "enum" or not isinstance(error["input"], str):
        return ""
    allowed = re.findall("'([^']+)'", error["ctx"]["expected"])
    close = get_close_matches(error["input"].lower(), allowed, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else ""


def unknown_key(table: type[Table], key: str) -> tuple[str, str]:
    """Message and hint for a key that `table` does not have."""
    if key in table.unsuited:
        return f"`{key}` {table.unsuited[key]}", ""
    known = [field.alias or name for name, field in table.model_fields.items()]
    close = get_close_matches(key, known, n=1, cutoff=0.6)
    return f"unknown key `{key}`", f"did you mean `{close[0]}`?" if close else f"known are {', '.join(sorted(known))}"


def table_at(path: tuple[str | int, ...]) -> type[Table]:
    """The type of the table at a path of the file."""
    table: type[Table] = FileTable
    name_follows = False
    for part in path:
        if isinstance(part, int) or name_follows:
            name_follows = False
            continue
        field = next(field for name, field in table.model_fields.items() if (field.alias or name) == part)
        below = _table_in(field.annotation)
        assert below is not None, "only tables can have unknown keys"
        table, name_follows = below, _is_mapping(field.annotation)
    return table


def _table_in(annotation: Any) -> type[Table] | None:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    for part in get_args(annotation):
        found = _table_in(part)
        if found is not None:
            return found
    return None


def _is_mapping(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", None)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return True
    return any(_is_mapping(part) for part in get_args(annotation) if not isinstance(part, str))
