"""Text to model: every complaint at once, with line, caret and hint."""

from .complaints import Complaint, ManifestError, render
from .lint import LintWarning, warnings
from .reading import parse
from .resolved import resolved, with_unit
from .schema import json_schema

__all__ = [
    "Complaint",
    "LintWarning",
    "ManifestError",
    "json_schema",
    "parse",
    "render",
    "resolved",
    "warnings",
    "with_unit",
]
