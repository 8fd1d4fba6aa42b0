"""The password of an application's Redis servers: made once, read by its owner alone.

It reaches a server in a file, for arguments of a program can be read by everybody on the machine. Behind walls there is
none: only those reach a server there that may.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from flyball.local.paths import StateDirectory
from flyball.local.process import processes

CONFIGURATION = "server.conf"


def password(paths: StateDirectory) -> str:
    """The application's password; made when it has none."""
    try:
        known = paths.store_password.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        known = ""
    if not known:
        known = secrets.token_hex(24)
        _write(paths.store_password, known)
    return known


def wanted(paths: StateDirectory, facts: Mapping[str, object] | None) -> str:
    """What a server recorded with these facts asks for.

    One of an older version asks for none as long as anything runs that was told its address without one.
    """
    old = facts is not None and not facts.get("password", False) and not facts.get("network", 0)
    return "" if old and _anything_runs(paths) else password(paths)


def configuration(directory: Path, word: str) -> list[str]:
    """Write the configuration of a server that asks for this into its directory; the argument that names it."""
    if not word:
        return []
    file = directory / CONFIGURATION
    _write(file, f"requirepass {word}\n")
    return [str(file)]


def _anything_runs(paths: StateDirectory) -> bool:
    loaded = (processes.load(record) for record in paths.processes.glob("*.json"))
    return any(one is not None and processes.alive(one[0]) for one in loaded)


def _write(file: Path, text: str) -> None:
    """Nothing when it says so already: there may be no room to say it again."""
    if file.is_file() and file.read_bytes() == text.encode("ascii"):
        return
    temporary = file.with_name(f".{file.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600, exist_ok=False)
    temporary.write_text(text, encoding="ascii")
    temporary.replace(file)
