"""What lies beside the file: whether its commands can run, which servers they start, and which application it is."""

from .commands import errors
from .detect import detect, name_from
from .draft import written
from .servers import warnings

__all__ = ["detect", "errors", "name_from", "warnings", "written"]
