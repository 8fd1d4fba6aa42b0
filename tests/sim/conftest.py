"""The file that the tests of a module simulate."""

from pathlib import Path

import pytest


@pytest.fixture
def file(request, tmp_path: Path) -> str:
    """Where the `FILE` of the test's module lies."""
    path = tmp_path / "flyball.toml"
    path.write_text(request.module.FILE)
    return str(path)
