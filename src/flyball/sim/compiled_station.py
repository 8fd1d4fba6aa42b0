"""What one station of `compiled` does: its requests in two heaps, its processor, and what it does next."""

from __future__ import annotations

from math import floor, inf

from numba import njit

from . import layout as c
from .parts import COOLS_S

# Arrays live as long as the engine that made them, so nothing here needs to count who holds them: a hundred times as
# fast. The whole module is compiled at the first use on a machine, and kept.
compiled = njit(cache=True, _nrt=False)  # type: ignore[call-overload]
# A call would pass some 160 numbers, the parts of all arrays.
inlined = njit(cache=True, _nrt=False, forceinline=True)  # type: ignore[call-overload]


@inlined
def _before(a, key_a, row_a, key_b, row_b):
    return key_a < key_b or (key_a == key_b and a.rows[row_a, c.NUMBER] < a.rows[row_b, c.NUMBER])


@inlined
def push(a, keys, held, size, key, row):
    """See `plain_engine`."""
    hole = size
    while hole > 0:
        above = (hole - 1) >> 1
        if not _before(a, key, row, keys[above], held[above]):
            break
        keys[hole], held[hole] = keys[above], held[above]
        hole = above
    keys[hole], held[hole] = key, row


@inlined
def pop(a, keys, held, size):
    """Take the first of `size`; what stays is a heap of one less."""
    size -= 1
    key, row, hole = keys[size], held[size], 0
    while True:
        below = 2 * hole + 1
        if below >= size:
            break
        if below + 1 < size and _before(a, keys[below + 1], held[below + 1], keys[below], held[below]):
            below += 1
        if not _before(a, keys[below], held[below], key, row):
            break
        keys[hole], held[hole] = keys[below], held[below]
        hole = below
    keys[hole], held[hole] = key, row


@inlined
def wanted(a, slot):
    """See `plain_engine`."""
    if a.whole[slot, c.WORKING] == 0 or a.reals[slot, c.FACTOR] <= 0:
        return 0.0
    cores = min(float(a.whole[slot, c.WORKING]), a.reals[slot, c.PEAK])
    if a.reals[slot, c.SAVED] > 0:
        return cores
    return 0.0 if a.reals[slot, c.SLICE] > 0 else min(cores, a.reals[slot, c.CORES])


@inlined
def take(a, slot, slices):
    """See `plain_engine`."""
    slice_s = a.reals[slot, c.SLICE]
    saved = a.reals[slot, c.SAVED] + slices * slice_s * a.reals[slot, c.CORES]
    a.reals[slot, c.SAVED] = min(saved, a.reals[slot, c.MOST_SAVED])
    a.reals[slot, c.SLICE_AT] += slices * slice_s


@inlined
def advance_station(a, slot, now):
    """See `plain_engine`."""
    passed = now - a.reals[slot, c.SEEN_AT]
    a.reals[slot, c.SEEN_AT] = now
    if passed <= 0:
        return
    spent = wanted(a, slot) * a.scalars[c.SHARE]
    if spent > 0:
        a.reals[slot, c.CLOCK] += passed * spent * a.reals[slot, c.FACTOR] / a.whole[slot, c.WORKING]
        a.reals[slot, c.CPU] += passed * spent
    slice_s, slice_at = a.reals[slot, c.SLICE], a.reals[slot, c.SLICE_AT]
    if slice_s <= 0:
        spent = wanted(a, slot) - a.reals[slot, c.CORES]
    elif a.whole[slot, c.WORKING] == 0 and now >= slice_at:
        take(a, slot, 1.0 + floor((now - slice_at) / slice_s))
    a.reals[slot, c.SAVED] = min(max(a.reals[slot, c.SAVED] - passed * spent, 0.0), a.reals[slot, c.MOST_SAVED])


@compiled
def plan(a, slot):
    """See `plain_engine`."""
    at, what = inf, 0
    seen_at, saved, cores = a.reals[slot, c.SEEN_AT], a.reals[slot, c.SAVED], a.reals[slot, c.CORES]
    working, slice_s = a.whole[slot, c.WORKING], a.reals[slot, c.SLICE]
    speed = wanted(a, slot) * a.scalars[c.SHARE]
    if speed > 0:
        ends = (a.work_at[slot, 0] - a.reals[slot, c.CLOCK]) * working / (speed * a.reals[slot, c.FACTOR])
        at, what = seen_at + max(ends, 0.0), c.DONE
        excess = speed if slice_s > 0 else wanted(a, slot) - cores
        if excess > 0 and saved > 0:
            empty = seen_at + saved / excess
            if empty < at:
                at, what = empty, c.SPENT
    if working > 0 and a.reals[slot, c.SLICE_AT] < at and slice_s > 0:
        at, what = a.reals[slot, c.SLICE_AT], c.SLICED
    if a.whole[slot, c.WAITING] > 0 and a.wait_at[slot, 0] < at:
        at, what = a.wait_at[slot, 0], c.WOKEN
    a.next_at[slot] = at
    a.whole[slot, c.WHAT] = what


@compiled
def load(a, slot):
    """See `plain_engine`."""
    return a.whole[slot, c.WORKING] + a.whole[slot, c.WAITING] + a.whole[slot, c.LINE]


@inlined
def drawn(tables, kind, length, draw):
    """See `plain_engine`."""
    at = draw * (length - 1)
    below = min(int(at), length - 2)
    return tables[kind, below] + (at - below) * (tables[kind, below + 1] - tables[kind, below])


@inlined
def _kind(a, slot, row):
    return a.whole[slot, c.RELEASE] * a.mix.shape[0] + a.rows[row, c.ROUTE]


@inlined
def work(a, slot, row):
    """See `plain_engine`."""
    ends = a.reals[slot, c.CLOCK] + a.told[row, c.WORK]
    push(a, a.work_at[slot], a.work_row[slot], a.whole[slot, c.WORKING], ends, row)
    a.whole[slot, c.WORKING] += 1


@inlined
def begin(a, slot, row, now):
    """See `plain_engine`."""
    kind, cold = _kind(a, slot, row), 0.0
    if a.reals[slot, c.COLD] > 0 and a.whole[slot, c.WORKING] + a.whole[slot, c.WAITING] == 0:
        cold = a.reals[slot, c.COLD] * min((now - a.reals[slot, c.RESTS]) / COOLS_S, 1.0)
    a.told[row, c.WORK] = drawn(a.work, kind, a.lengths[kind, 0], a.drawn[row, 0]) + cold
    wait = drawn(a.wait, kind, a.lengths[kind, 1], a.drawn[row, 0])
    if wait > 0:
        push(a, a.wait_at[slot], a.wait_row[slot], a.whole[slot, c.WAITING], now + wait, row)
        a.whole[slot, c.WAITING] += 1
    else:
        work(a, slot, row)
