"""Where the compiled engine keeps what: the columns of its arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

from .parts import RETRIES

# Columns of `reals`, of `whole`, of `rows`, of the scalars and of `told` (what a request is told on its way).
(CORES, PEAK, MOST_SAVED, FACTOR, WEIGHT, DEADLINE, CLOCK, SAVED, SEEN_AT, JOINED_AT, CPU, SLICE, SLICE_AT,
 COLD, RESTS) = range(15)  # fmt: skip
THERE, OPEN, RELEASE, WORKERS, BACKLOG, WORKING, WAITING, HEAD, TAIL, LINE, WHAT, SENT, ANSWERED, ERRORS = range(14)
NUMBER, NEXT, TRIED, ROUTE, TRIED_0 = range(5)
ROUND, SLOW_START, TIMEOUT, MACHINE, OTHERS, SHARE, LONGEST, INSIDE, LEAST_SHARE, CAME_AT, COLD_WAY, WHOLE = range(12)
SINCE, WORK, WAY = range(3)
(FREE, SLOTS, CAME, WELL, FAILED, NUMBERED, AT, END, LOGGED, Q_HEAD, Q_TAIL, Q_LEN,
 LEAST, TURNS, CONNECTIONS, CONCURRENCY, QUEUE, REPEATABLE, ENDED, AWAY) = range(20)  # fmt: skip
DONE, SPENT, WOKEN, SLICED = 1, 2, 3, 4
FINISHED, NEEDS_ROWS, NEEDS_HEAPS, NEEDS_ARRIVALS = range(4)
ROW = TRIED_0 + RETRIES + 1


class Arrays(NamedTuple):
    """All that one service is: by slot, by row of the pool, and as a whole."""

    reals: Any
    whole: Any
    next_at: Any
    work_at: Any
    work_row: Any
    wait_at: Any
    wait_row: Any
    born: Any
    told: Any
    drawn: Any
    rows: Any
    scalars: Any
    counts: Any
    times: Any
    draws: Any
    work: Any
    wait: Any
    lengths: Any
    mix: Any
    way: Any
    failing: Any
    coarse: Any
    fine: Any
    coarse_of_ms: Any
    log_what: Any
    log_at: Any
