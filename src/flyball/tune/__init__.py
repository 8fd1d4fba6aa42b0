"""The setting that fits a service's traffic, found by rehearsals: a wide search with a fluid, then real requests."""

from .days import Days, days_of
from .measure import Score, measured
from .page import page
from .search import Candidate, Found, Search
from .slo import Slo, parse_slo
from .space import Setting, Space, removed_or
from .store import Store

__all__ = [
    "Candidate",
    "Days",
    "Found",
    "Score",
    "Search",
    "Setting",
    "Slo",
    "Space",
    "Store",
    "days_of",
    "measured",
    "page",
    "parse_slo",
    "removed_or",
]
