"""Text to model: every mistake at once, with line, caret and hint."""

from .complaints import Complaint, ManifestError, ParityWarning, render
from .json_schema import json_schema
from .lint import warnings
from .reading import parse
from .resolved import resolved, with_unit

__all__ = [
    "Complaint",
    "ManifestError",
    "ParityWarning",
    "json_schema",
    "parse",
    "render",
    "resolved",
    "warnings",
    "with_unit",
]
