"""Columns of the arrays that the clock runs on: one row per stream, so that compiled code passes few arrays around.

``plan`` is what is to be done, ``state`` where each stream stands, ``fixed`` what all streams share, ``chip`` where time
and the units stand. All are int64.
"""

from __future__ import annotations

from typing import Final

# The most that fits; plan.py refuses what does not.
WIDTH: Final = 12  #: loops around a task
MAX_ROOTS: Final = 14
MAX_NEEDS: Final = 24  #: needs of a task
CLASSES: Final = 32  #: kinds of tiles, whole and ragged, of a stream
MAX_CHANNELS: Final = 6
MAX_UNITS: Final = 10
BUFFERS: Final = 9  #: one more than the most buffers of a tile

# --- plan[stream, ...]
(
    LOOPS, AGAIN_BIT, KIND, ONLY_AGAIN, UNIT, LATENCY, NEED_COUNT, TOTAL, STAGE, IN_STEP, POSITION, IN_KERNEL,
) = range(12)  # fmt: skip
LOOP_ROOT: Final = 12  #: root of each loop
LOOP_UNIT: Final = LOOP_ROOT + WIDTH  #: elements of the root in one step
LOOP_CAP: Final = LOOP_UNIT + WIDTH  #: iterations at most
CLASS_BIT: Final = LOOP_CAP + WIDTH  #: bit that a short tile of this loop's root sets, 0
OWN: Final = CLASS_BIT + WIDTH  #: does this loop name another tile
EPOCH_SOURCE: Final = OWN + WIDTH  #: map onto the loops of the reference stream
LAST_LOOP: Final = EPOCH_SOURCE + WIDTH  #: position of the innermost loop of each root, -1
CYCLES: Final = LAST_LOOP + MAX_ROOTS  #: of the unit, by class
CHANNEL: Final = CYCLES + CLASSES  #: of each channel, by class
NEED_ON: Final = CHANNEL + MAX_CHANNELS * CLASSES
NEED_KIND: Final = NEED_ON + MAX_NEEDS  #: 0 data, 1 slot, 2 reuse, 3 window
NEED_BUFFERS: Final = NEED_KIND + MAX_NEEDS
NEED_PREFIX: Final = NEED_BUFFERS + MAX_NEEDS
NEED_SOURCE: Final = NEED_PREFIX + MAX_NEEDS
NEED_FRESH: Final = NEED_SOURCE + MAX_NEEDS * WIDTH
SHARED: Final = NEED_FRESH + MAX_NEEDS * WIDTH  #: loops shared with each stream; as many columns as streams

# --- state[stream, ...]
ISSUED, FINISHED, ACTIVE, CLS, FLIGHT_HEAD, FLIGHT_COUNT, ALIVE, HEAD_EPOCH = range(8)
DIGITS: Final = 8  #: of the next task
NEED: Final = DIGITS + WIDTH  #: how many tasks must be finished, by need
RING: Final = NEED + MAX_NEEDS  #: where the last tiles began, by need
RING_COUNT: Final = RING + MAX_NEEDS * BUFFERS
COUNTS: Final = RING_COUNT + MAX_NEEDS  #: tasks done by class: that moved something, that did not
WAITS: Final = COUNTS + 2 * CLASSES  #: cycles lost to each stream, to a channel, to a step, to its turn
# from fixed[FLIGHT] on: the tasks on their way, those that end together as one; when each ends, and how many tasks of the
# stream are done then

# --- fixed[...]
POLICY, REFERENCE, STEP_COUNT, UNITS, CHANNELS, FAST, ROOTS, ALL_ON_UNITS, IN_FLIGHT, FLIGHT = range(10)
ROOT_SIZE: Final = 10
STALL: Final = ROOT_SIZE + MAX_ROOTS  #: of each step

# --- chip[...]
NOW, EPOCH, STEP, BLOCKED, SEGMENT, STRIDE, TRACED, SKIPPED, JUMPS, STUCK, STAMP, EVENTS = range(12)
UNIT_FREE: Final = 12
CHANNEL_FREE: Final = UNIT_FREE + MAX_UNITS
BUSY: Final = CHANNEL_FREE + MAX_CHANNELS  #: of each unit, then of each channel
CHIP: Final = BUSY + MAX_UNITS + MAX_CHANNELS

# --- policies, and codes of maps between loops
OVERLAPPED, SERIAL, STEPS, AUTO = range(4)
LAST_CODE, FIRST_CODE = -1, -1000
DATA, SLOT, REUSE, WINDOW = range(4)
UNLIMITED: Final = 1 << 40  #: places, where a schedule bounds them by itself
NOTHING_TURNED: Final = 1000  #: the number of no loop
SEGMENTS: Final = 2048  #: rows of the record of utilization over time
MOST_REMEMBERED: Final = 1 << 24  #: numbers that are remembered of iterations of loops
HISTORY: Final = 24  #: iterations of a loop that are remembered when looking for a steady state
