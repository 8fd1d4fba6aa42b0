"""Keeps the certificate that an authority issues: asked for when it is due, and again after a pause when that fails.

Everything lies in a directory of its own for each authority, for its owner alone. Until there is a certificate the
listener keeps the one that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from flyball.core.control.news import Mishap, MishapKind
from flyball.core.errors import Failed, FileError
from flyball.core.manifest.units import duration_text
from flyball.core.model import Acme, Tls
from flyball.core.renewal import Issued, Tries, due

from . import certificate
from .certificate import Pair
from .config.routes import CHALLENGES
from .served import Served

log = structlog.get_logger()
LOOK_EVERY_S = 1.0
SERVED_WITHIN_S = 30.0


class Issuing:
    """Issued certificates of one listener, which is at `port`. `wake` is called when there is something to serve.

    `home` is the directory of the file, `own` that of all certificates.
    """

    def __init__(
        self,
        served: Served,
        *,
        home: Path,
        own: Path,
        port: int,
        hear: Callable[[Mishap], None],
        wake: Callable[[], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._served = served
        self._home = home
        self._own = own
        self._port = port
        self._hear = hear
        self._wake = wake
        self._now = now
        self._wanted: Acme | None = None
        self._tries = Tries()

    async def run(self, tls: Callable[[], Tls | None]) -> None:
        """Look after the certificate that `tls` wants now, until this task is cancelled."""
        while True:
            found = tls()
            await self.look(None if found is None else found.acme)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, wanted: Acme | None) -> None:
        """Ask for the certificate if it is due. What the file says anew is tried at once."""
        if wanted != self._wanted:
            self._wanted, self._tries = wanted, Tries()
        if wanted is None or not due(self._issued(wanted), frozenset(wanted.domains), self._tries, now=self._now()):
            return
        try:
            pair = await _in_thread(lambda: self._order(wanted))
            self._keep(wanted, pair)
            self._tries = Tries()
        except Exception as error:  # whatever an authority may answer: it is asked again, but not at once
            if not isinstance(error, Failed | OSError):
                log.exception("no certificate, in a way that nobody foresaw")
            self._tries = self._tries.failed(now=self._now())
            pause = duration_text(self._tries.next_at - self._tries.last_at)
            text = f"no certificate for {', '.join(wanted.domains)}: {error}; it is asked for again in {pause}"
            self._hear(Mishap(kind=MishapKind.CERTIFICATE_REFUSED, text=text))
        finally:
            self._served.challenges = {}
            self._wake()

    def _issued(self, wanted: Acme) -> Issued | None:
        chain, key = certificate.issued_files(wanted, self._own)
        try:
            found = certificate.read(str(chain), str(key), home=self._home).leaf
        except FileError:
            return None
        begins, ends = (at.timestamp() for at in (found.not_valid_before_utc, found.not_valid_after_utc))
        return Issued(domains=frozenset(certificate.names(found)), begins=begins, ends=ends)

    def _keep(self, wanted: Acme, pair: Pair) -> None:
        chain, key = certificate.issued_files(wanted, self._own)
        certificate.keep(key, pair.key)
        certificate.keep(chain, pair.chain)

    def _order(self, wanted: Acme) -> Pair:
        from . import authority  # noqa: PLC0415 - its imports take a while, and most applications need none of them

        account = certificate.issued_files(wanted, self._own)[0].with_name("account.pem")
        return authority.order(wanted, account=account, home=self._home, publish=self._publish)

    def _publish(self, answers: Mapping[str, str]) -> None:
        """Wait until the balancer gives the answers: the authority asks only once. Called in the other thread."""
        self._served.challenges = dict(answers)
        self._wake()
        deadline = time.monotonic() + SERVED_WITHIN_S
        for token, text in answers.items():
            while self._fetched(token) != text:
                if time.monotonic() > deadline:
                    raise Failed(
                        f"the balancer does not give the answer for the authority within {SERVED_WITHIN_S:g} s"
                    )
                time.sleep(0.1)

    def _fetched(self, token: str) -> str:
        asking = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        with contextlib.closing(asking), contextlib.suppress(OSError, http.client.HTTPException):
            asking.request("GET", CHALLENGES + token)
            return asking.getresponse().read().decode(errors="replace")
        return ""


async def _in_thread(work: Callable[[], Pair]) -> Pair:
    """Unlike `asyncio.to_thread` it keeps nobody from ending: an authority may take minutes."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Pair] = loop.create_future()

    def settle(result: Pair | BaseException) -> None:
        if not done.done():
            done.set_exception(result) if isinstance(result, BaseException) else done.set_result(result)

    def run() -> None:
        result: Pair | BaseException
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            result = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=run, name="acme", daemon=True).start()
    return await done
