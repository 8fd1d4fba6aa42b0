"""What users see of the listener's certificate: its names, its end, where it is from, and a warning before it ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from flyball.core.view.shapes import CertificateJson

from .certificate import Pair, names

DAY_S = 86400.0
WARN_DAYS = 14
SHARE = 6  # an authority's may last only days: it is renewed in its last third


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A certificate. `origin`: "file", "acme" or "self-made"."""

    names: tuple[str, ...]
    begins: float
    ends: float
    origin: str

    def told(self, *, now: float) -> CertificateJson:
        """The form in `flyball ps --json`."""
        days = int((self.ends - now) // DAY_S)
        return {
            "names": list(self.names),
            "days_left": days,
            "ends_at": self.ends,
            "ends_soon": self._ends_soon(now),
            "from": self.origin,
        }

    def _ends_soon(self, now: float) -> bool:
        span_s = WARN_DAYS * DAY_S
        if self.origin == "acme":
            span_s = min(span_s, (self.ends - self.begins) / SHARE)
        return now >= self.ends - span_s

    def warning(self, *, now: float) -> str:
        """That it ends soon, "" while it does not."""
        if not self._ends_soon(now):
            return ""
        what = "it could not be renewed yet" if self.origin == "acme" else "put a new one into its file"
        days = max(int((self.ends - now) // DAY_S), 0)
        return f"the certificate for {', '.join(self.names) or 'nobody'} ends in {days} days: {what}"


def shown(chain: Path, own: Path) -> Shown:
    """The certificate in a file; `own` holds those that were made or issued here. Raises OSError, ValueError."""
    content = chain.read_bytes()
    leaf = Pair(content, b"").leaf
    begins, ends = (at.timestamp() for at in (leaf.not_valid_before_utc, leaf.not_valid_after_utc))
    return Shown(names=tuple(names(leaf)), begins=begins, ends=ends, origin=_origin(content, own))


def _origin(content: bytes, own: Path) -> str:
    if any(one.read_bytes() == content for one in own.glob("certificate.pem")):
        return "self-made"
    return "acme" if any(one.read_bytes() == content for one in own.glob("acme/*/chain.pem")) else "file"
