"""World 3: the application as AWS resources. AWS runs its own loop there; this only says what it will do.

`parity`, `rules` and `audit` need nothing but Flyball; `synth` needs the extra `flyball[aws]`.
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
    """Write the CloudFormation templates of the application, and on Fargate its Dockerfiles, into `out`.

    `source` is the directory of the file, for paths that the file names. The same application gives the same bytes.
    Needs no network, no account and no bootstrap. Raises FileError for what AWS would refuse, Failed without the extra.
    """
    node.prepare()
    try:
        module = importlib.import_module("flyball.aws.synthesis")
    except ModuleNotFoundError as missing:
        raise Failed(f"AWS needs the extra (no module {missing.name}): uv pip install 'flyball[aws]'") from missing
    write = cast("Callable[..., tuple[Path, ...]]", module.write)
    return write(app, out, source=source)
