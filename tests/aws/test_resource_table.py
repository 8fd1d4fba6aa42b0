"""docs/reference/aws-resources.md names every box test, and only tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "aws-resources.md"
HERE = Path(__file__).parent


@pytest.mark.parametrize("module", sorted(path.name for path in HERE.glob("test_boxes_*.py")))
def test_the_table_and_the_tests_name_the_same_boxes(module: str):
    section = next(part for part in PAGE.read_text(encoding="utf-8").split("\n## ") if f"`{module}`" in part)
    named = set(re.findall(r"`(test_(?!boxes)\w+)`", section))
    tree = ast.parse((HERE / module).read_text(encoding="utf-8"))
    written = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
    assert named == written
