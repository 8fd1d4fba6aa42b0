"""The file's tables as types, which validate the file and generate its JSON Schema."""

from .aws import AwsTable, NetworkTable
from .base import Table
from .file import FileTable, json_schema
from .routing import AnswerTable, RouteTable
from .scaling import RuleTable, ScaleTable, ScheduleTable, StepTable, TargetsTable, adjustment
from .services import DefaultsTable, InstancesTable, ServiceTable
from .stores import StoreTable

__all__ = [
    "AnswerTable",
    "AwsTable",
    "DefaultsTable",
    "FileTable",
    "InstancesTable",
    "NetworkTable",
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
