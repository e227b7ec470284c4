"""Utilization over time, from the record that a run keeps."""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.result import Timeline
from fusemax.simulate.tile.state import State


def timeline_of(state: State, names: tuple[str, ...]) -> Timeline:
    """Return the busy part of each of *names* (units, then channels) by interval."""
    rows = state.segments[: state.chip[clock.SEGMENT]]
    keep = [0, *(k for k in range(1, len(rows)) if rows[k, 0] > rows[k - 1, 0])]
    rows = rows[keep]
    start, end = rows[:-1, 0], rows[1:, 0]
    length = end - start
    busy = {name: _spread(np.diff(rows[:, 1 + k]), length) / length for k, name in enumerate(names)}
    return Timeline(start=start, end=end, busy=busy)


def _spread(begun: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Return busy cycles by interval: work is counted where it begins, and what is longer than its interval runs on."""
    busy, rest = np.zeros(len(begun)), 0
    for k in range(len(begun)):
        rest += int(begun[k])
        busy[k] = min(rest, int(length[k]))
        rest -= int(busy[k])
    return busy
