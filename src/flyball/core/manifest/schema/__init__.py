"""The file's tables as types, which validate the file and generate its JSON Schema."""

from .aws import ZONES, AwsTable, NetworkTable
from .base import Table
from .file import FileTable, json_schema
from .regions import EdgeTable, RegionTable
from .routing import AnswerTable, RouteTable
from .scaling import RuleTable, ScaleTable, ScheduleTable, StepTable, TargetsTable, adjustment
from .services import DefaultsTable, InstancesTable, ServiceTable
from .stores import StoreTable

__all__ = [
    "ZONES",
    "AnswerTable",
    "AwsTable",
    "DefaultsTable",
    "EdgeTable",
    "FileTable",
    "InstancesTable",
    "NetworkTable",
    "RegionTable",
    "RouteTable",
    "RuleTable",
    "ScaleTable",
    "ScheduleTable",
    "ServiceTable",
    "StepTable",
    "StoreTable",
    "Table",
    "TargetsTable",
    "adjustment",
    "json_schema",
]
