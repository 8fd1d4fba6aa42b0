"""Reading a template in tests: resources by type, values with references flattened, policies of a role."""

from __future__ import annotations

import json
from typing import Any


class Stack:
    """One synthesized template."""

    def __init__(self, template: dict[str, Any]) -> None:
        self.template = template
        self.resources: dict[str, dict[str, Any]] = template["Resources"]

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id -> properties of every resource of a type (without the `AWS::`)."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.resources.items()
            if resource["Type"] == f"AWS::{kind}"
        }

    def one(self, kind: str) -> dict[str, Any]:
        """Properties of the only resource of a type."""
        found = self.all(kind)
        assert len(found) == 1, f"{kind}: {sorted(found)}"
        return next(iter(found.values()))

    def named(self, name: str) -> dict[str, Any]:
        """Properties of the resource with that logical id."""
        return self.resources[name].get("Properties", {})

    def attributes(self, name: str, key: str) -> dict[str, str]:
        """A list of Key/Value pairs as a dictionary."""
        return {pair["Key"]: pair["Value"] for pair in self.named(name)[key]}

    def statements(self, role: str) -> list[dict[str, Any]]:
        """All policy statements of the role whose logical id begins so."""
        return [
            statement
            for policy in self.all("IAM::Policy").values()
            if any(each["Ref"].startswith(role) for each in policy["Roles"])
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def allowed(self, role: str, action: str) -> list[str]:
        """The resources, as text, on which the role may do `action`."""
        return [
            text(resource)
            for statement in self.statements(role)
            if action in listed(statement["Action"])
            for resource in listed(statement.get("Resource", ()))
        ]


def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def text(value: Any) -> str:
    """A value with intrinsic functions as readable text: {"Ref": "X"} -> "<X>", joins joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        if "Ref" in value:
            return f"<{value['Ref']}>"
        if "Fn::GetAtt" in value:
            return f"<{'.'.join(value['Fn::GetAtt'])}>"
        if "Fn::Join" in value:
            separator, parts = value["Fn::Join"]
            return separator.join(text(part) for part in parts)
        if "Fn::Select" in value:
            return f"<zone{value['Fn::Select'][0]}>"
        if "Fn::Base64" in value:
            return text(value["Fn::Base64"])
    return json.dumps(value)
