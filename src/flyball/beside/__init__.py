"""What lies beside the file: whether its commands can run, and what its sources say about the servers in them."""

from .commands import errors
from .servers import warnings

__all__ = ["errors", "warnings"]
