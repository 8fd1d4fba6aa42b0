"""The count of visits, at the price of one write a second and instance.

A write for each view would make every reader a writer: ten instances at 200 views a second would queue for one lock.
So an instance gathers its visits and adds them to the store in one atomic step, at most a second later and when it
stops. No visit is counted twice or lost by a stop with SIGTERM; `kill -9` loses at most that instance's last second.
The page shows the store's last known total and this instance's own visits since.
"""

import logging
import threading

from visitor_board.store import Store, StoreFailed

_EVERY_S = 1.0
_log = logging.getLogger(__name__)


class Visits:
    """This instance's share of the count."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pending = 0
        self._known = 0
        self._flushing = threading.Lock()

    def count(self) -> int:
        """Count one visit; tell the total as far as this instance knows."""
        with self._lock:
            self._pending += 1
            return self._known + self._pending

    def total(self) -> int:
        """The count as far as this instance knows, without counting a visit."""
        with self._lock:
            return self._known + self._pending

    def flush(self) -> None:
        """Add what is pending to the store, and learn the total. On failure the visits stay pending."""
        with self._flushing:
            with self._lock:
                more = self._pending
            try:
                total = self._store.count_visits(more) if more else self._store.visits()
            except StoreFailed as error:
                _log.warning("visits not counted yet: %d (%s)", more, error)
                return
            with self._lock:
                self._pending -= more
                self._known = total

    def start_flushing(self) -> None:
        """Flush now, each second, and once more when the process ends.

        The thread is not a daemon, so that the interpreter waits for it at exit, also in a forked worker, where
        `atexit` does not run: as soon as the main thread is done, the loop does its last round.
        """
        self.flush()
        threading.Thread(target=self._flush_while_running, name="visits").start()

    def _flush_while_running(self) -> None:
        main = threading.main_thread()
        while main.is_alive():
            main.join(_EVERY_S)
            self.flush()
