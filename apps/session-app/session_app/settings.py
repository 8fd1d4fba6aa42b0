"""What the environment says."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass

UPLOAD_MAX_BYTES = 5_000_000_000
SESSION_TTL_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where the stores are, who this copy is, and its limits. `session_ttl_s` counts from the last view."""

    sessions_url: str
    uploads_url: str
    instance: str
    upload_max_bytes: int = UPLOAD_MAX_BYTES
    session_ttl_s: int = SESSION_TTL_S


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings, or SystemExit with what is missing or wrong."""
    missing = [name for name in ("SESSIONS_URL", "UPLOADS_URL") if not environ.get(name)]
    if missing:
        give = "redis://HOST:PORT/0; file:///FOLDER or s3://BUCKET?region=REGION"
        raise SystemExit(f"not set: {', '.join(missing)} (give {give})")
    return Settings(
        sessions_url=environ["SESSIONS_URL"],
        uploads_url=environ["UPLOADS_URL"],
        instance=environ.get("FLYBALL_INSTANCE") or socket.gethostname(),
        upload_max_bytes=_number(environ, "MAX_UPLOAD_BYTES", UPLOAD_MAX_BYTES),
        session_ttl_s=_number(environ, "SESSION_TTL_SECONDS", SESSION_TTL_S),
    )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise SystemExit(f"{name} is {text!r}: give a whole number above 0")
    return int(text)
