"""What `fast_engine` compiles: the steps of `plain_engine` on arrays, in the same order, with the same arithmetic.

Names are those of `plain_engine`; a request is a row of the pool, a line is a chain of rows.
"""

from __future__ import annotations

from math import frexp, inf

from . import compiled_station as s
from . import layout as c
from .compiled_station import compiled, inlined
from .parts import BALANCER_COOLS_S, DRAWS, FINE, PARTS_OF_OCTAVE, RETRIES, RETRY_S, SMALLEST_EXPONENT

LOWEST_WEIGHT = 0.01


@inlined
def _keep(a, row, slot, now, status):
    """The request is over: its row is free again."""
    at = a.counts[c.LOGGED]
    if at < a.log_at.shape[0]:
        a.log_what[at, 0], a.log_what[at, 1], a.log_what[at, 2] = a.rows[row, c.NUMBER], slot, status
        a.log_at[at] = now
        a.counts[c.LOGGED] += 1
    a.rows[row, c.NEXT] = a.counts[c.FREE]
    a.counts[c.FREE] = row


@inlined
def _fail(a, row, slot, now):
    a.counts[c.FAILED] += 1
    _keep(a, row, slot, now, 503)


@inlined
def _fine_bucket(latency):
    part, exponent = frexp(latency)
    bucket = (exponent - SMALLEST_EXPONENT) * PARTS_OF_OCTAVE + int((part - 0.5) * 2 * PARTS_OF_OCTAVE)
    return min(max(bucket, 0), FINE - 1)


@inlined
def _answer(a, slot, row, now):
    a.whole[slot, c.ANSWERED] += 1
    a.reals[slot, c.RESTS] = now
    a.counts[c.ENDED] += 1
    a.scalars[c.INSIDE] += now - a.told[row, c.SINCE]
    at_balancer = now - a.born[row]
    latency = at_balancer + a.told[row, c.WAY]
    wrong = a.drawn[row, 1] < a.failing[a.whole[slot, c.RELEASE]]
    late = latency > a.scalars[c.TIMEOUT]
    if late:
        latency = a.scalars[c.TIMEOUT]
        at_balancer = min(at_balancer, latency)
    if wrong or late:
        a.whole[slot, c.ERRORS] += 1
        a.counts[c.FAILED] += 1
    else:
        a.counts[c.WELL] += 1
    a.coarse[a.coarse_of_ms[min(int(at_balancer * 1000.0), 60_000)]] += 1
    a.fine[_fine_bucket(latency)] += 1
    _keep(a, row, slot, now, 504 if late else 500 if wrong else 200)


@inlined
def _was_tried(a, row, slot):
    tried = False
    for index in range(a.rows[row, c.TRIED]):
        tried = tried or a.rows[row, c.TRIED_0 + index] == slot
    return tried


@inlined
def _is_able(a, row, slot):
    return a.whole[slot, c.OPEN] == 1 and not (a.rows[row, c.TRIED] > 0 and _was_tried(a, row, slot))


@inlined
def _weight(a, slot, now):
    slow, since, weight = a.scalars[c.SLOW_START], now - a.reals[slot, c.JOINED_AT], a.reals[slot, c.WEIGHT]
    if a.counts[c.TURNS] == 1:
        weight /= s.load(a, slot) + 1
    if slow > 0 and since < slow:
        return weight * max(LOWEST_WEIGHT, since / slow)
    return weight


@inlined
def _choose_round(a, row, now):
    chosen = -1
    for slot in range(a.counts[c.SLOTS]):
        if _is_able(a, row, slot) and (chosen < 0 or a.reals[slot, c.DEADLINE] < a.reals[chosen, c.DEADLINE]):
            chosen = slot
    if chosen >= 0:
        a.scalars[c.ROUND] = a.reals[chosen, c.DEADLINE]
        a.reals[chosen, c.DEADLINE] = a.scalars[c.ROUND] + 1.0 / _weight(a, chosen, now)
    return chosen


@inlined
def _choose_least(a, row):
    least, tied = inf, 0
    for slot in range(a.counts[c.SLOTS]):
        if _is_able(a, row, slot):
            score = (s.load(a, slot) + 1) / a.reals[slot, c.WEIGHT]
            if score < least:
                least, tied = score, 1
            elif score == least:
                tied += 1
    which = int(a.drawn[row, 2] * tied)
    for slot in range(a.counts[c.SLOTS]):
        if _is_able(a, row, slot) and (s.load(a, slot) + 1) / a.reals[slot, c.WEIGHT] == least:
            if which == 0:
                return slot
            which -= 1
    return -1


@inlined
def _append(a, slot, row):
    a.rows[row, c.NEXT] = -1
    if a.whole[slot, c.LINE] == 0:
        a.whole[slot, c.HEAD] = row
    else:
        a.rows[a.whole[slot, c.TAIL], c.NEXT] = row
    a.whole[slot, c.TAIL] = row
    a.whole[slot, c.LINE] += 1


@inlined
def _send(a, slot, row, now):
    s.advance_station(a, slot, now)
    a.told[row, c.SINCE] = now
    a.whole[slot, c.SENT] += 1
    if a.whole[slot, c.WORKING] + a.whole[slot, c.WAITING] < min(a.whole[slot, c.WORKERS], a.counts[c.CONNECTIONS]):
        s.begin(a, slot, row, now)
    else:
        _append(a, slot, row)
    s.plan(a, slot)


@inlined
def _turn_away(a, row, now):
    a.counts[c.AWAY] += 1
    _fail(a, row, -1, now)


@inlined
def _taken_from_queue(a):
    row = a.counts[c.Q_HEAD]
    a.counts[c.Q_HEAD] = a.rows[row, c.NEXT]
    a.counts[c.Q_LEN] -= 1
    return row


@inlined
def _late(a):
    """When the first of the queue has waited for too long."""
    return a.told[a.counts[c.Q_HEAD], c.SINCE] + a.scalars[c.LONGEST] if a.counts[c.Q_LEN] > 0 else inf


@inlined
def _put_off(a, row, now):
    if a.counts[c.Q_LEN] < a.counts[c.QUEUE]:
        a.told[row, c.SINCE] = now
        a.rows[row, c.NEXT] = -1
        if a.counts[c.Q_LEN] == 0:
            a.counts[c.Q_HEAD] = row
        else:
            a.rows[a.counts[c.Q_TAIL], c.NEXT] = row
        a.counts[c.Q_TAIL] = row
        a.counts[c.Q_LEN] += 1
    else:
        _turn_away(a, row, now)


@inlined
def _again(a, row, slot, now):
    """Whether it may be tried once more, after this slot."""
    a.rows[row, c.TRIED_0 + a.rows[row, c.TRIED]] = slot
    a.rows[row, c.TRIED] += 1
    if a.rows[row, c.TRIED] > RETRIES:
        _fail(a, row, -1, now)
        return False
    a.born[row] -= RETRY_S
    return True


@compiled
def dispatch(a, row, now):
    """See `plain_engine`."""
    while True:
        slot = _choose_least(a, row) if a.counts[c.LEAST] == 1 else _choose_round(a, row, now)
        if slot < 0:
            _fail(a, row, -1, now)
            return
        busy = a.whole[slot, c.WORKING] + a.whole[slot, c.WAITING]
        full = busy >= a.whole[slot, c.WORKERS] and a.whole[slot, c.LINE] >= a.whole[slot, c.BACKLOG]
        if not full:
            _send(a, slot, row, now)
            return
        if not _again(a, row, slot, now):
            return


@compiled
def lose(a, row, slot, now):
    """A request whose instance is gone."""
    if a.counts[c.REPEATABLE] == 0:
        _fail(a, row, slot, now)
    elif _again(a, row, slot, now):
        dispatch(a, row, now)


@inlined
def _room(a):
    most, weights, loads = 0.0, 0.0, 0
    for slot in range(a.counts[c.SLOTS]):
        if a.whole[slot, c.OPEN] == 1:
            most, weights = max(most, a.reals[slot, c.WEIGHT]), weights + a.reals[slot, c.WEIGHT]
            loads += s.load(a, slot)
    return float(int(a.counts[c.CONCURRENCY] * (weights / most)) - loads) if most > 0 else inf


@compiled
def serve_queue(a, now):
    """See `plain_engine`."""
    while a.counts[c.Q_LEN] > 0 and 0 < _room(a) < inf:
        dispatch(a, _taken_from_queue(a), now)


@inlined
def _happen(a, slot):
    now, what = a.next_at[slot], a.whole[slot, c.WHAT]
    s.advance_station(a, slot, now)
    if what == c.SPENT:
        a.reals[slot, c.SAVED] = 0.0
    elif what == c.SLICED:
        s.take(a, slot, 1.0)
    elif what == c.WOKEN:
        row = a.wait_row[slot, 0]
        s.pop(a, a.wait_at[slot], a.wait_row[slot], a.whole[slot, c.WAITING])
        a.whole[slot, c.WAITING] -= 1
        s.work(a, slot, row)
    else:
        ends, row = a.work_at[slot, 0], a.work_row[slot, 0]
        s.pop(a, a.work_at[slot], a.work_row[slot], a.whole[slot, c.WORKING])
        a.whole[slot, c.WORKING] -= 1
        a.reals[slot, c.CLOCK] = ends if a.whole[slot, c.WORKING] > 0 else 0.0
        _answer(a, slot, row, now)
        if a.whole[slot, c.LINE] > 0:
            row = a.whole[slot, c.HEAD]
            a.whole[slot, c.HEAD] = a.rows[row, c.NEXT]
            a.whole[slot, c.LINE] -= 1
            s.begin(a, slot, row, now)
        if a.counts[c.Q_LEN] > 0:
            s.plan(a, slot)
            serve_queue(a, now)
    s.plan(a, slot)


@inlined
def _arrive(a, now):
    row, at = a.counts[c.FREE], a.counts[c.AT]
    a.counts[c.FREE] = a.rows[row, c.NEXT]
    a.born[row] = now
    rested = min((now - a.scalars[c.CAME_AT]) / BALANCER_COOLS_S, 1.0)
    for index in range(DRAWS):
        a.drawn[row, index] = a.draws[at, index]
    a.told[row, c.WAY] = s.drawn(a.way, 0, a.way.shape[1], a.drawn[row, 0]) + a.scalars[c.COLD_WAY] * rested
    a.scalars[c.CAME_AT] = now
    route, lower = 0, 0.0
    while a.drawn[row, 1] >= a.mix[route]:
        lower = a.mix[route]
        route += 1
    a.drawn[row, 1] = (a.drawn[row, 1] - lower) / (a.mix[route] - lower)
    a.rows[row, c.ROUTE] = route
    a.rows[row, c.NUMBER], a.rows[row, c.TRIED] = a.counts[c.NUMBERED], 0
    a.counts[c.AT] += 1
    a.counts[c.NUMBERED] += 1
    a.counts[c.CAME] += 1
    if a.counts[c.CONCURRENCY] > 0 and _room(a) <= 0:
        _put_off(a, row, now)
    else:
        dispatch(a, row, now)


@compiled
def settle(a, now):
    """See `plain_engine`."""
    cores = a.scalars[c.OTHERS]
    for slot in range(a.counts[c.SLOTS]):
        cores += s.wanted(a, slot)
    share = 1.0
    if cores > a.scalars[c.MACHINE]:
        share = max(a.scalars[c.MACHINE] / cores, min(a.scalars[c.LEAST_SHARE], a.scalars[c.WHOLE] / cores))
    if share == a.scalars[c.SHARE]:
        return
    for slot in range(a.counts[c.SLOTS]):
        if a.whole[slot, c.THERE] == 1:
            s.advance_station(a, slot, now)
    a.scalars[c.SHARE] = share
    for slot in range(a.counts[c.SLOTS]):
        if a.whole[slot, c.THERE] == 1:
            s.plan(a, slot)


@inlined
def _is_packed(a, most, more):
    packed = False
    for slot in range(a.counts[c.SLOTS]):
        packed = packed or a.whole[slot, c.WORKING] + a.whole[slot, c.WAITING] + more > most
    return packed


@inlined
def _may_overflow(a, most):
    """Whether the queue may send more to one station than its heaps hold, when the next request ends."""
    if a.counts[c.Q_LEN] == 0 or most >= a.counts[c.CONNECTIONS]:
        return False
    room = _room(a)
    return room < inf and _is_packed(a, most, min(max(room, 0.0) + 1.0, float(a.counts[c.Q_LEN])))


@inlined
def _catch_up(a, until):
    for slot in range(a.counts[c.SLOTS]):
        if a.whole[slot, c.THERE] == 1:
            s.advance_station(a, slot, until)
            s.plan(a, slot)


@compiled
def run(a, until, most):
    """Let time pass; answers why it stopped before. `most` requests fit into one station's heaps."""
    while True:
        first, at = -1, inf
        for slot in range(a.counts[c.SLOTS]):
            if a.next_at[slot] < at:
                first, at = slot, a.next_at[slot]
        if a.counts[c.AT] == a.times.shape[0] and a.counts[c.END] == 0:
            return c.NEEDS_ARRIVALS
        comes = a.times[a.counts[c.AT]] if a.counts[c.AT] < a.times.shape[0] else inf
        late = _late(a)
        now = min(at, late, comes)
        if now > until or now == inf:
            break
        if _may_overflow(a, most):
            return c.NEEDS_HEAPS
        if at == now:
            _happen(a, first)
        elif late == now:
            _turn_away(a, _taken_from_queue(a), now)
        elif a.counts[c.FREE] < 0:
            return c.NEEDS_ROWS
        elif _is_packed(a, most, 1):
            return c.NEEDS_HEAPS
        else:
            _arrive(a, comes)
        if a.scalars[c.MACHINE] < inf:
            settle(a, now)
    _catch_up(a, until)
    return c.FINISHED


@compiled
def advance(a, slot, now):
    """See `plain_engine`."""
    s.advance_station(a, slot, now)
