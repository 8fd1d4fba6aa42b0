"""World 3: the application as AWS resources. AWS runs its own control loop; this only describes what it should do.

`lint` and `rules` need no CDK; `synth` needs the extra `flyball[aws]`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from flyball.core.errors import Failed
from flyball.core.model import Application

from . import node

__all__ = ["synth"]


def synth(app: Application, out: Path, *, source: Path) -> tuple[Path, ...]:
    """Write the application's CloudFormation templates, and on Fargate its Dockerfiles, into `out`.

    `source` is the file's directory, for the paths in it. The same application always gives the same bytes.
    Needs no network, account or bootstrap. Raises FileError for what AWS would refuse, Failed without the extra.
    """
    node.prepare()
    try:
        module = importlib.import_module("flyball.aws.synthesis")
    except ModuleNotFoundError as missing:
        raise Failed(
            f"AWS needs the extra (no module {missing.name}): uv pip install 'flyball[aws]', or the same with pip"
        ) from missing
    write = cast("Callable[..., tuple[Path, ...]]", module.write)
    return write(app, out, source=source)
