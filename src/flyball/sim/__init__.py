"""World 2: the application in virtual time, with the same governor."""

from .aws_clock import edge_on_aws, on_aws
from .calibration import Calibration, calibrated, from_text, to_text
from .faults import faults_of, parse_faults
from .numbers import ASSUMED, Machine, Numbers, given
from .page import page
from .places import visitors_of
from .rehearsal import Fault, Plan, Rehearsal, Rollout
from .report import IMAGINED, region_lines, report_lines
from .result import Result
from .several import NEXT_SEED, Several, rehearse

__all__ = [
    "ASSUMED",
    "IMAGINED",
    "NEXT_SEED",
    "Calibration",
    "Fault",
    "Machine",
    "Numbers",
    "Plan",
    "Rehearsal",
    "Result",
    "Rollout",
    "Several",
    "calibrated",
    "edge_on_aws",
    "faults_of",
    "from_text",
    "given",
    "on_aws",
    "page",
    "parse_faults",
    "region_lines",
    "rehearse",
    "report_lines",
    "to_text",
    "visitors_of",
]
