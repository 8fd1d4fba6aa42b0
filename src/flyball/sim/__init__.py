"""World 2: the application in virtual time, with the same governor."""

from .faults import parse_faults
from .numbers import Numbers, given
from .rehearsal import Fault, Plan, Rehearsal, Rollout
from .report import report_lines
from .result import Result

__all__ = ["Fault", "Numbers", "Plan", "Rehearsal", "Result", "Rollout", "given", "parse_faults", "report_lines"]
