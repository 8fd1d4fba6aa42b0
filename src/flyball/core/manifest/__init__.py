"""Text to model: every mistake at once, with line, caret and hint."""

from .complaints import Complaint, ManifestError, ParityWarning, render
from .reading import parse

__all__ = ["Complaint", "ManifestError", "ParityWarning", "parse", "render"]
