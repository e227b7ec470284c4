"""Columns of the arrays that the clock runs on: one row per stream, so that compiled code passes few arrays around.

``plan`` is what is to be done, ``state`` where each stream stands, ``fixed`` what all streams share, ``chip`` where time
and the units stand. All are int64.
"""

from __future__ import annotations

from typing import Final

# The most that fits; plan.py refuses what does not.
WIDTH: Final = 12  #: loops around a task
MAX_ROOTS: Final = 14
MAX_NEEDS: Final = 48  #: needs of a task
CLASSES: Final = 32  #: kinds of tiles, whole and ragged, of a stream
MAX_CHANNELS: Final = 12
MAX_UNITS: Final = 10
MAX_BANDS: Final = 3  #: conditions of the bodies that one stream serves
MAX_GAPS: Final = 3  #: roots with a digit that no loop runs over, between two that loops do
MAX_SHARES: Final = 6  #: tensors that a task takes in several ways
MAX_BOXES: Final = 5  #: accesses to one tensor
MAX_TERMS: Final = 2  #: ranks in an index
BUFFERS: Final = 9  #: one more than the most buffers of a tile

# --- plan[stream, ...]
(
    LOOPS, AGAIN_BIT, KIND, ONLY_AGAIN, UNIT, LATENCY, NEED_COUNT, TOTAL, STAGE, IN_STEP, POSITION, IN_KERNEL,
    FILTERED, MEMBER_DEPTH, MEMBER_AT, BANDS, TOUCH, TOUCH_DEPTH, AFTER, EVEN,
    RETURNS, SHARES, NEVER, GAPS,
) = range(24)  # fmt: skip
LOOP_ROOT: Final = 24  #: root of each loop
LOOP_UNIT: Final = LOOP_ROOT + WIDTH  #: elements of the root in one step
LOOP_CAP: Final = LOOP_UNIT + WIDTH  #: iterations at most
LOOP_TRIPS: Final = LOOP_CAP + WIDTH  #: iterations, where no tile of the stream is short (EVEN)
LOOP_STRIDE: Final = LOOP_TRIPS + WIDTH  #: tasks in one of them, where no tile is short
CLASS_BIT: Final = LOOP_STRIDE + WIDTH  #: bit that a short tile of this loop's root sets, 0
OWN: Final = CLASS_BIT + WIDTH  #: does this loop name another tile
ANEW: Final = OWN + WIDTH  #: does a value begin anew in each iteration of this loop
EPOCH_SOURCE: Final = ANEW + WIDTH  #: map onto the loops of the reference stream
LAST_LOOP: Final = EPOCH_SOURCE + WIDTH  #: position of the innermost loop of each root, -1
CYCLES: Final = LAST_LOOP + MAX_ROOTS  #: of the unit, by class
CHANNEL: Final = CYCLES + CLASSES  #: of each channel, by class
NEED_ON: Final = CHANNEL + MAX_CHANNELS * CLASSES
NEED_KIND: Final = NEED_ON + MAX_NEEDS  #: 0 data, 1 slot, 2 reuse, 3 window
NEED_BUFFERS: Final = NEED_KIND + MAX_NEEDS
NEED_PREFIX: Final = NEED_BUFFERS + MAX_NEEDS
NEED_DEEPEST: Final = NEED_PREFIX + MAX_NEEDS  #: the innermost loop of this stream that changes the need
NEED_SAME: Final = NEED_DEEPEST + MAX_NEEDS  #: whether the task of the same number is meant
NEED_SOURCE: Final = NEED_SAME + MAX_NEEDS
NEED_FRESH: Final = NEED_SOURCE + MAX_NEEDS * WIDTH
MEMBER_STRIDE: Final = NEED_FRESH + MAX_NEEDS * WIDTH  #: of each loop, in the record of a core's tasks
BAND: Final = (
    MEMBER_STRIDE + WIDTH
)  #: row root, column root, low, high, tile of rows, of columns, sign of the rows
BAND_WIDTH: Final = 7
SHARE_AT: Final = (
    BAND + MAX_BANDS * BAND_WIDTH
)  #: where each share stands in the record, -1: what a band touches
SHARE_WORDS: Final = SHARE_AT + MAX_SHARES  #: words per element of each share, by class
SHARE_LOOP: Final = (
    SHARE_WORDS + MAX_SHARES * CLASSES
)  #: does this loop change a share, or what is cut off it
RATE: Final = SHARE_LOOP + WIDTH  #: cycles of each channel per word of each share, the bits of a float64
STEADY: Final = (
    RATE + MAX_SHARES * MAX_CHANNELS
)  #: cycles of each channel for all other words, by class, likewise
VISIT_AT: Final = (
    STEADY + MAX_CHANNELS * CLASSES
)  #: where it stands which iterations of the loops down to each are done, -1
VISIT_STRIDE: Final = VISIT_AT + WIDTH  #: of each loop, in the record of iterations that are done
GAP_AT: Final = (
    VISIT_STRIDE + WIDTH
)  #: where the kinds of tiles stand of each root with a digit without a loop
SHARED: Final = GAP_AT + MAX_GAPS  #: loops shared with each stream; as many columns as streams

ONLY_LAST: Final = 2  #: of RETURNS: what leaves does so once, the last time

# --- state[stream, ...]
(
    ISSUED,
    FINISHED,
    ACTIVE,
    CLS,
    FLIGHT_HEAD,
    FLIGHT_COUNT,
    ALIVE,
    HEAD_EPOCH,
    BLOCKER,
) = range(9)
TOUCHED: Final = 9  #: words of each share that the next task moves
DIGITS: Final = TOUCHED + MAX_SHARES  #: of the next task
NEED: Final = DIGITS + WIDTH  #: how many tasks must be finished, by need
RING: Final = NEED + MAX_NEEDS  #: where the last tiles began, by need
RING_COUNT: Final = RING + MAX_NEEDS * BUFFERS
COUNTS: Final = RING_COUNT + MAX_NEEDS  #: tasks done by class: that moved something, that did not
WAITS: Final = COUNTS + 2 * CLASSES  #: cycles lost to each stream, to a channel, to a step, to its turn
# WAITS + streams + 3, and then: tasks begun, words of each share that were moved
# from fixed[FLIGHT] on: the tasks on their way, those that end together as one; when each ends, and how many tasks of the
# stream are done then

# --- fixed[...]
(
    POLICY, REFERENCE, STEP_COUNT, UNITS, CHANNELS, FAST, ROOTS, ALL_ON_UNITS, IN_FLIGHT, FLIGHT, BEGUN, MEMBERS, STAGES,
    BEHIND,
) = range(14)  # fmt: skip
ROOT_SIZE: Final = 14
STALL: Final = ROOT_SIZE + MAX_ROOTS  #: of each step

# --- chip[...]
NOW, EPOCH, STEP, BLOCKED, SEGMENT, STRIDE, TRACED, SKIPPED, JUMPS, STUCK, STAMP, EVENTS, TURNED = range(13)
UNIT_FREE: Final = 13
CHANNEL_FREE: Final = UNIT_FREE + MAX_UNITS
BUSY: Final = CHANNEL_FREE + MAX_CHANNELS  #: of each unit, then of each channel
CURSOR: Final = BUSY + MAX_UNITS + MAX_CHANNELS  #: digits of the epoch after this one
EPOCH_NUMBER: Final = CURSOR + WIDTH  #: the reference stream's task of each of the last epochs
EPOCHS_KNOWN: Final = 64
WORK: Final = EPOCH_NUMBER + EPOCHS_KNOWN  #: room to work in
OLD: Final = WORK + WIDTH
BEFORE: Final = OLD + WIDTH
FIRST_DIGITS: Final = BEFORE + WIDTH
FIRST_WORK: Final = FIRST_DIGITS + WIDTH
REF_DIGITS: Final = FIRST_WORK + WIDTH  #: of the reference stream's task that ends next
SEEN_COUNT: Final = REF_DIGITS + WIDTH  #: iterations of each loop that are remembered
KNOWN: Final = SEEN_COUNT + WIDTH  #: room for the epochs' numbers while they move
CORNERS: Final = KNOWN + EPOCHS_KNOWN  #: room for the ranges of a share's boxes
NEXT_ON: Final = (
    CORNERS + 4 * MAX_BOXES * MAX_ROOTS
)  #: 1 + the stream whose task is next on each unit, 0 if not known
INNER_COUNT: Final = (
    NEXT_ON + MAX_UNITS
)  #: jumps inside of this iteration of each loop, of the loop next inside
INNER_AT: Final = (
    INNER_COUNT + WIDTH
)  #: of the last one: from where, which period, how many times, cycles of one
INNER_PERIOD: Final = INNER_AT + WIDTH
INNER_JUMPS: Final = INNER_PERIOD + WIDTH
INNER_LENGTH: Final = INNER_JUMPS + WIDTH
CHIP: Final = INNER_LENGTH + WIDTH

# --- counts[...], of visits of a transfer (kernel.py): by class, then the words of a share
VISIT_TURNED: Final = CLASSES + 1  #: which loop turned last
VISIT_BEGUN: Final = VISIT_TURNED + 1
VISIT_STAMP: Final = VISIT_BEGUN + 1
VISIT_DIGITS: Final = VISIT_STAMP + 1  #: of the next visit
VISIT_WORK: Final = VISIT_DIGITS + WIDTH  #: room to work in
VISITS: Final = VISIT_WORK + 2 * WIDTH + MAX_SHARES + 4 * MAX_BOXES * MAX_ROOTS

# --- policies, and codes of maps between loops
OVERLAPPED, SERIAL, STEPS, AUTO = range(4)
LAST_CODE, FIRST_CODE = -1, -1000
DATA, SLOT, REUSE, WINDOW = range(4)
UNLIMITED: Final = 1 << 40  #: places, where a schedule bounds them by itself
NOTHING_TURNED: Final = 1000  #: the number of no loop
SEGMENTS: Final = 2048  #: rows of the record of utilization over time
MOST_REMEMBERED: Final = 1 << 24  #: numbers that are remembered of iterations of loops
HISTORY: Final = 24  #: iterations of a loop that are remembered when looking for a steady state

# --- seen[loop, iteration, ...]: the last HISTORY iterations, and room for the one that is looked at
SEEN_SIZE, SEEN_AT, SEEN_NOW, SEEN_EPOCH, SEEN_INNER = range(
    5
)  #: from SEEN_INNER on the jumps inside (growing.py)
SIGNATURE: Final = (
    SEEN_INNER + 5
)  #: where everything stood, in SEEN_SIZE numbers; after them, in all the rest, the totals by then
