"""What the same application costs on AWS: a table of prices, a bill made with it, and what would save.

AWS's Price List needs an account; so the prices are data in the package, each with its source and its date.
"""

from .bill import HOURS, Kind, Line, Use, at_max, at_min, bill, floor, instance_usd, place, spread, total
from .past import Past, Used, summed
from .savings import Saving, savings
from .table import Price, discount, machines, prices, regions
from .traffic import Habits, capacity_units

__all__ = [
    "HOURS",
    "Habits",
    "Kind",
    "Line",
    "Past",
    "Price",
    "Saving",
    "Use",
    "Used",
    "at_max",
    "at_min",
    "bill",
    "capacity_units",
    "discount",
    "floor",
    "instance_usd",
    "machines",
    "place",
    "prices",
    "regions",
    "savings",
    "spread",
    "summed",
    "total",
]
