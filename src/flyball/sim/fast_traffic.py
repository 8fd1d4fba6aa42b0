"""The arrivals and draws of `traffic`, the same numbers bit for bit, drawn in bulk."""

from __future__ import annotations

from math import inf, log
from random import Random
from typing import Any

import numpy as np

from flyball.core.arrivals import RateCurve

from .compiled_station import compiled
from .parts import DRAWS, Batch

CHUNK = 65_536


def _same_stream(seed: int | str) -> Any:
    """Numpy's generator in the state of Python's: both draw 53 bits from the same twister."""
    _, words, _ = Random(seed).getstate()  # noqa: S311 - repeatable, not secret
    stream = np.random.RandomState()
    stream.set_state(("MT19937", np.array(words[:-1], dtype=np.uint32), words[-1], 0, 0.0))
    return stream


class FastTraffic:
    """See `traffic.Traffic`."""

    def __init__(self, curve: RateCurve, *, seed: int | str, draws: int | str) -> None:
        self._rates = np.array([stage.rate for stage in curve.stages])
        ends, end = [], 0.0
        for stage in curve.stages:
            end += stage.duration_s
            ends.append(end)
        self._ends = np.array(ends)
        self._uniforms = _same_stream(seed)
        self._draws = _same_stream(draws)
        first = -log(1.0 - float(self._uniforms.random_sample()))
        self._state = np.array([0.0, 0.0, first, 0.0])
        self._left = np.zeros(0)

    def more(self) -> Batch:
        """See `Arrivals`."""
        times = np.zeros(CHUNK)
        uniforms = np.concatenate([self._left, self._uniforms.random_sample(CHUNK - len(self._left))])
        self._state[3] = 0
        count = _crossings(self._rates, self._ends, self._state, uniforms, times)
        self._left = uniforms[int(self._state[3]) :]
        drawn: Any = self._draws.random_sample(DRAWS * count)
        found: Any = times[:count]
        return found, drawn


@compiled  # type: ignore[untyped-decorator]
def _crossings(rates: Any, ends: Any, state: Any, uniforms: Any, times: Any) -> int:
    """`core.arrivals.arrivals` in slices: fills `times` and answers how many.

    `state`: the stage, the time, what is left of the gap, and how many uniforms were used.
    """
    count, used = 0, int(state[3])
    while int(state[0]) < rates.shape[0]:
        stage = int(state[0])
        end, rate = ends[stage], rates[stage]
        pace = 1.0 / rate if rate > 0 else inf
        while True:
            due = state[1] + state[2] * pace
            if not due < end:
                break
            if count == times.shape[0] or used == uniforms.shape[0]:
                state[3] = used
                return count
            times[count] = due
            count += 1
            state[1] = due
            state[2] = -log(1.0 - uniforms[used])
            used += 1
        state[2] = max(0.0, state[2] - (end - state[1]) * rate)
        state[1] = end
        state[0] += 1
    state[3] = used
    return count
