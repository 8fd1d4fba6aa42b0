"""The certificate that visitors see: the user's files are looked at, and taken over when they have changed.

Envoy reads copies, named by what is in them: it never sees half of a pair, and has one to start with whatever becomes
of the user's files. A pair that is of no use is refused, and the one before it stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from flyball.core.control.news import Mishap, MishapKind
from flyball.core.errors import FileError
from flyball.core.model import Tls
from flyball.core.view.shapes import CertificateJson

from . import certificate
from .certificate import Pair
from .shown import Shown, shown

PATIENCE_S = 2.0
"""Two files are not changed at once: a pair is refused only when it stays as it is for so long."""

_Files = tuple[str, str]
_Mark = tuple[int, int, int] | None


class Served:
    """The certificate of one listener.

    The file's paths are seen from `home`; `own` holds the self-made one and the copies. `hear` is told of changes.
    """

    def __init__(self, home: Path, own: Path, hear: Callable[[Mishap], None]) -> None:
        self._home = home
        self._own = own
        self._copies = own / "served"
        self._hear = hear
        self.challenges: Mapping[str, str] = {}  # what an authority asks for just now: token -> answer
        self._files: _Files | None = None
        self._looked: object = None
        self._doubted: object = None
        self._refused: object = None
        self._doubted_at = 0.0
        self._shown: Shown | None = None
        self._looked_at: _Files | None = None
        self._warned = False

    def files(self, tls: Tls | None, *, now: float) -> _Files | None:
        """The files (chain, private key) for the balancer; None without TLS. Call it often.

        Raises FileError or OSError when there is none to serve yet.
        """
        if tls is None:
            return None
        if self._files is None:
            self._files = self._last()
        try:
            self._look(self._source(tls))
        except (FileError, OSError) as error:
            if self._files is None:
                raise
            self._refuse(str(error), self._seen(tls), now)
        self._show(now)
        return self._files

    def told(self, tls: Tls | None, *, now: float) -> CertificateJson | None:
        """The served certificate as users see it; None without TLS."""
        return None if tls is None or self._shown is None else self._shown.told(now=now)

    def _show(self, now: float) -> None:
        """Read the served certificate when it is new, and report once when it ends soon."""
        if self._files is not None and self._files != self._looked_at:
            self._looked_at, self._warned = self._files, False
            try:
                self._shown = shown(Path(self._files[0]), self._own)
            except (OSError, ValueError):  # somebody has removed it
                self._shown = None
        if self._shown is not None and not self._warned and (text := self._shown.warning(now=now)):
            self._warned = True
            self._hear(Mishap(kind=MishapKind.CERTIFICATE, text=text))

    def _source(self, tls: Tls) -> _Files:
        if tls.certificate is not None and tls.private_key is not None:
            return tls.certificate, tls.private_key
        if tls.acme is not None:
            chain, key = (path.absolute() for path in certificate.issued_files(tls.acme, self._own))
            if chain.exists():
                return str(chain), str(key)
            if self._files is not None:  # until it is issued, what was there stays
                return self._files
        return certificate.self_made(self._own)

    def _seen(self, tls: Tls) -> object:
        return tls, *(_mark(self._home / (path or "")) for path in (tls.certificate, tls.private_key))

    def _look(self, source: _Files) -> None:
        seen = source, *(_mark(self._home / path) for path in source)
        if seen != self._looked:
            self._take(certificate.read(*source, home=self._home))
            self._looked, self._doubted, self._refused = seen, None, None

    def _take(self, pair: Pair) -> None:
        digest = hashlib.sha256(pair.chain + pair.key).hexdigest()[:16]
        chain, key = self._copies / f"{digest}.chain.pem", self._copies / f"{digest}.key.pem"
        before = self._files
        if before == (str(chain), str(key)):
            return
        self._copies.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificate.keep(key, pair.key)
        certificate.keep(chain, pair.chain)
        self._files = str(chain), str(key)
        if before is not None:  # it stays for a while: Envoy may be about to read it
            self._hear(Mishap(kind=MishapKind.CERTIFICATE, text=f"the balancer has a new certificate {pair.text}"))
        for left in set(self._copies.glob("*.pem")) - {Path(path) for path in (*self._files, *(before or ()))}:
            left.unlink(missing_ok=True)

    def _refuse(self, why: str, seen: object, now: float) -> None:
        """Tell it once, when it has not changed for a while."""
        doubt = seen, why
        if doubt != self._doubted:
            self._doubted, self._doubted_at = doubt, now
        elif doubt != self._refused and abs(now - self._doubted_at) >= PATIENCE_S:  # a clock may be set back
            self._refused = doubt
            text = f"a changed certificate is refused, the one before it stays: {why}"
            self._hear(Mishap(kind=MishapKind.CERTIFICATE_REFUSED, text=text))

    def _last(self) -> _Files | None:
        """What an earlier control plane served."""
        chain = max(self._copies.glob("*.chain.pem"), key=lambda path: path.stat().st_mtime, default=None)
        return None if chain is None else (str(chain), str(chain).replace(".chain.pem", ".key.pem"))


def _mark(path: Path) -> _Mark:
    """What changes when a file does."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
