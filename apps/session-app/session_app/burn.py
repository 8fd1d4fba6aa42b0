"""Work on purpose: to see the service scale out, something must keep its processor busy."""

import hashlib
import time

_BLOCK = bytes(256 * 1024)


def burn(ms: int) -> float:
    """Use `ms` milliseconds of processor time in this thread; tell the seconds that passed meanwhile.

    Counted by the thread's own processor time, so that two at once each burn their own, and a throttled process takes
    longer instead of burning less. Hashing lets go of the interpreter's lock, so other requests are answered meanwhile.
    """
    began, until = time.monotonic(), time.thread_time() + ms / 1000
    while time.thread_time() < until:
        hashlib.sha256(_BLOCK).digest()
    return time.monotonic() - began
