"""World 2: the application in virtual time, with the same governor."""

from .aws_clock import on_aws
from .calibration import Calibration, calibrated, from_text, to_text
from .faults import parse_faults
from .numbers import ASSUMED, Machine, Numbers, given
from .page import page
from .rehearsal import Fault, Plan, Rehearsal, Rollout
from .report import report_lines
from .result import Result

__all__ = [
    "ASSUMED",
    "Calibration",
    "Fault",
    "Machine",
    "Numbers",
    "Plan",
    "Rehearsal",
    "Result",
    "Rollout",
    "calibrated",
    "from_text",
    "given",
    "on_aws",
    "page",
    "parse_faults",
    "report_lines",
    "to_text",
]
