"""How many seconds is "500ms", "30s" or "7d"? One number with one unit: the words of the file and the command line."""

from __future__ import annotations

import re

PATTERN = r"[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h|d)"
SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(text: str) -> float | None:
    """Seconds of one number with one unit; None when the text is something else."""
    if re.fullmatch(PATTERN, text) is None:
        return None
    number = text.rstrip("".join(SECONDS))
    unit = text[len(number) :]
    # Milliseconds are divided, not multiplied by 0.001: 1100 / 1000 is the float a reader would type.
    return float(number) / 1000.0 if unit == "ms" else float(number) * SECONDS[unit]
