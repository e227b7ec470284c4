"""Where a run stands, as arrays, and the run itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.plan import Prepared


@dataclass(frozen=True, slots=True)
class State:
    """The arrays that a run writes (columns.py), the record of utilization, and the first tasks as rows of a trace."""

    streams: np.ndarray
    chip: np.ndarray
    segments: np.ndarray
    trace: np.ndarray
    seen: np.ndarray

    @classmethod
    def fresh(cls, prepared: Prepared, events: int) -> State:
        """Return the state before the first cycle, with room for the first *events* tasks."""
        count = len(prepared.streams)
        flight = prepared.fixed[clock.FLIGHT]
        busy = len(prepared.units) + len(prepared.channels)
        chip = np.zeros(clock.CHIP, np.int64)
        chip[clock.STRIDE] = 1
        return cls(
            streams=np.zeros((count, flight + 2 * prepared.fixed[clock.IN_FLIGHT]), np.int64),
            chip=chip,
            segments=np.zeros((clock.SEGMENTS, busy + 2), np.int64),
            trace=np.zeros((events, 4), np.int64),
            seen=_memory(prepared),
        )

    def moved(self, stream: int, cls: int) -> int:
        """Return how many tasks of class *cls* stream *stream* has done, transfers that stayed not counted."""
        return int(self.streams[stream, clock.COUNTS + 2 * cls])

    def touched(self, prepared: Prepared, stream: int, share: int) -> int:
        """Return the words of *share* that stream *stream* has moved, where the loops decide how many."""
        return int(self.streams[stream, prepared.fixed[clock.BEGUN] + 1 + share])


def _memory(prepared: Prepared) -> np.ndarray:
    """Return room for iterations of loops that are remembered, with the totals by then (columns.py)."""
    count, fixed = len(prepared.streams), prepared.fixed
    loops = max(1, int(prepared.plan[fixed[clock.REFERENCE], clock.LOOPS]))
    totals = count * (fixed[clock.FLIGHT] - clock.COUNTS) + fixed[clock.UNITS] + fixed[clock.CHANNELS]
    width = count * (3 + 2 * fixed[clock.IN_FLIGHT]) + 80
    most = clock.MOST_REMEMBERED // (loops * (clock.HISTORY + 1))
    return np.zeros((loops, clock.HISTORY + 1, clock.SIGNATURE + min(width, most) + totals), np.int64)


def run_clock(prepared: Prepared, state: State) -> None:
    """Run *prepared* to its end (or until its tasks wait for each other for ever), writing *state*."""
    from fusemax.simulate.tile.kernel import clock as paced_clock

    paced_clock()(
        prepared.plan, prepared.fixed, state.streams, state.chip, state.segments, state.trace, state.seen
    )


def brought_to_cores(prepared: Prepared, stream: int, spread: Sequence[str], cores: int) -> list[int]:
    """Return how often transfer *stream* brings a tile to a memory of a core, by class; after them its words, under a band."""
    from fusemax.simulate.tile.kernel import visits

    loops = prepared.streams[stream].loops
    flags = np.zeros(clock.WIDTH, np.int64)
    flags[: len(loops)] = [loop in spread for loop in loops]
    inside = prepared.geometry.points([loop for loop in spread if loop not in loops], {})
    one = prepared.streams[stream]
    carried = prepared.geometry.points([x for x in spread if x not in one.anew], {}) > 1
    counts = np.zeros(clock.VISITS, np.int64)
    visits()(prepared.plan, prepared.fixed, stream, flags, inside, cores, carried, counts)
    return counts[: clock.CLASSES + 1].tolist()
