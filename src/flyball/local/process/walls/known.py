"""What a room knows of users and machines by name: files of its own, in place of the machine's."""

from __future__ import annotations

from pathlib import Path

from .rooms import HOME
from .router import DOOR


def own_files(name: str, user: int) -> tuple[tuple[str, str], ...]:
    """Files of the room's own: it knows its user by name, and asks the balancer for names of machines."""
    found = [
        ("/etc/passwd", f"{_text('/etc/passwd')}{name}:x:{user}:{user}::{HOME}:/usr/sbin/nologin\n"),
        ("/etc/group", f"{_text('/etc/group')}{name}:x:{user}:\n"),
        ("/etc/hosts", f"{_text('/etc/hosts')}{DOOR} host\n"),
    ]
    resolver = Path("/etc/resolv.conf").resolve()
    if resolver.exists():
        found.append((str(resolver), f"nameserver {DOOR}\n"))
    return tuple((path, content) for path, content in found if Path(path).exists())


def _text(path: str) -> str:
    try:
        content = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return content if content.endswith("\n") else f"{content}\n"
