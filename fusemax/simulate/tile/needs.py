"""What the next task of a stream waits for, compiled, and which of two tasks comes first."""

from __future__ import annotations

import numpy as np

from fusemax.simulate.tile.columns import (
    ACTIVE,
    AFTER,
    AGAIN_BIT,
    ALIVE,
    ANEW,
    AUTO,
    BEFORE,
    BEGUN,
    BLOCKER,
    BUFFERS,
    CLASS_BIT,
    CLS,
    CORNERS,
    CURSOR,
    DIGITS,
    EPOCH,
    EPOCH_NUMBER,
    EPOCH_SOURCE,
    EPOCHS_KNOWN,
    EVEN,
    FILTERED,
    FINISHED,
    GAP_AT,
    GAPS,
    HEAD_EPOCH,
    IN_KERNEL,
    IN_STEP,
    ISSUED,
    KIND,
    LOOP_ROOT,
    LOOP_UNIT,
    LOOPS,
    MAX_BOXES,
    MAX_ROOTS,
    MAX_SHARES,
    NEED,
    NEED_BUFFERS,
    NEED_COUNT,
    NEED_DEEPEST,
    NEED_FRESH,
    NEED_KIND,
    NEED_ON,
    NEED_PREFIX,
    NEED_SAME,
    NEED_SOURCE,
    ONLY_AGAIN,
    ONLY_LAST,
    OWN,
    POLICY,
    POSITION,
    REFERENCE,
    RETURNS,
    RING,
    RING_COUNT,
    ROOT_SIZE,
    SHARED,
    SHARES,
    STAGE,
    STEP,
    STEPS,
    TOUCHED,
    UNLIMITED,
    WIDTH,
    WORK,
)
from fusemax.simulate.tile.counted import listed, words_of
from fusemax.simulate.tile.inner import inner
from fusemax.simulate.tile.walking import (
    FAR,
    NOT,
    YES,
    advance,
    back,
    is_first,
    is_last,
    mapped_number,
    number_of,
    put,
)


@inner
def prepare(plan, fixed, state, chip, s, turned, old):
    """Find class, activity and needs of the next task of stream *s*; *old* are the digits of the task before."""
    work = chip[WORK : WORK + WIDTH]
    digits = state[s, DIGITS : DIGITS + WIDTH]
    cls = class_of(plan, fixed, s, digits)
    first = True
    if plan[s, AGAIN_BIT] or plan[s, ONLY_AGAIN]:
        first = is_first(plan, fixed, s, digits, work, np.int64(ANEW), NOT)
    if not first:
        cls |= plan[s, AGAIN_BIT]
    state[s, CLS] = cls
    active = True
    if plan[s, KIND] == 1:
        active = turned < 0
        for k in range(plan[s, LOOPS]):
            if plan[s, OWN + k] and digits[k] != old[k]:
                active = True
        if plan[s, ONLY_AGAIN] and first:
            active = False
    elif plan[s, KIND] == 2:
        for k in range(plan[s, LOOPS]):
            work[k] = digits[k]
        active = advance(plan, fixed, s, work) < 0
        for k in range(plan[s, LOOPS]):
            if plan[s, OWN + k] and digits[k] != work[k]:
                active = True
        if plan[s, RETURNS]:
            last = is_last(plan, fixed, s, digits, work, np.int64(ANEW), NOT)
            active = active and last == (plan[s, RETURNS] == ONLY_LAST)
    state[s, ACTIVE] = active
    if active and plan[s, SHARES]:
        corners = chip[CORNERS : CORNERS + 4 * MAX_BOXES * MAX_ROOTS]
        words_of(plan, fixed, s, cls, digits, corners, state[s, TOUCHED : TOUCHED + MAX_SHARES])
    if fixed[POLICY] == STEPS and plan[s, KIND] == 0 and not plan[s, IN_KERNEL]:
        source = plan[s, EPOCH_SOURCE : EPOCH_SOURCE + WIDTH]
        state[s, HEAD_EPOCH] = mapped_number(plan, fixed, s, fixed[REFERENCE], source, digits, work)
    for d in range(plan[s, NEED_COUNT]):
        if plan[s, NEED_KIND + d] == 0 and turned > plan[s, NEED_DEEPEST + d]:
            continue
        state[s, NEED + d] = need_of(plan, fixed, state, chip, s, d, digits, active, work)


@inner
def class_of(plan, fixed, s, digits):
    """Return which tiles of the task of stream *s* at *digits* are short, a bit for each."""
    cls = np.int64(0)
    if plan[s, EVEN]:
        return cls
    for k in range(plan[s, LOOPS]):
        if plan[s, CLASS_BIT + k]:
            root = plan[s, LOOP_ROOT + k]
            extent = fixed[ROOT_SIZE + root]
            for j in range(k + 1):
                if plan[s, LOOP_ROOT + j] == root:
                    extent = min(extent - digits[j] * plan[s, LOOP_UNIT + j], plan[s, LOOP_UNIT + j])
            if extent < plan[s, LOOP_UNIT + k]:
                cls |= plan[s, CLASS_BIT + k]
    for gap in range(plan[s, GAPS]):
        cls |= listed(fixed, plan[s, GAP_AT + gap], plan[s, LOOPS], digits)
    return cls


@inner
def need_of(plan, fixed, state, chip, s, d, digits, active, work):
    """Return how many tasks need *d* of stream *s* wants finished before its task at *digits*; 0 for none."""
    r, kind = plan[s, NEED_ON + d], plan[s, NEED_KIND + d]
    if kind == 3:
        if not plan[s, FILTERED] or plan[s, NEED_BUFFERS + d] >= UNLIMITED:
            return max(np.int64(0), state[s, ISSUED] + 1 - plan[s, NEED_BUFFERS + d])
        deep = plan[s, NEED_BUFFERS + d]
        shift(state, s, d, deep + 1, state[s, ISSUED])
        return state[s, RING + d * BUFFERS + deep] + 1 if state[s, RING_COUNT + d] > deep else np.int64(0)
    if kind == 0 and plan[s, NEED_SAME + d]:
        return state[s, ISSUED] + 1
    if kind == 0:
        return (
            mapped_number(
                plan,
                fixed,
                s,
                r,
                plan[s, NEED_SOURCE + d * WIDTH : NEED_SOURCE + (d + 1) * WIDTH],
                digits,
                work,
            )
            + 1
        )
    if kind == 1:
        if not active:
            return np.int64(0)
        begin = mapped_number(
            plan,
            fixed,
            s,
            r,
            plan[s, NEED_SOURCE + d * WIDTH : NEED_SOURCE + (d + 1) * WIDTH],
            digits,
            work,
        )
        deep = plan[s, NEED_BUFFERS + d]
        shift(state, s, d, deep + 1, begin)
        return state[s, RING + d * BUFFERS + deep - 1] if state[s, RING_COUNT + d] > deep else np.int64(0)
    if not is_first(plan, fixed, s, digits, work, np.int64(NEED_FRESH + d * WIDTH), YES):
        return np.int64(0)
    before = chip[BEFORE : BEFORE + WIDTH]
    put(before, digits, WIDTH)
    for _ in range(plan[s, NEED_BUFFERS + d]):
        if not back(plan, fixed, s, plan[s, NEED_PREFIX + d], before):
            return np.int64(0)
    return (
        mapped_number(
            plan,
            fixed,
            s,
            r,
            plan[s, NEED_SOURCE + d * WIDTH : NEED_SOURCE + (d + 1) * WIDTH],
            before,
            work,
        )
        + 1
    )


@inner
def shift(state, s, d, kept, number):
    """Put *number* in front of the last ones that need *d* of stream *s* keeps."""
    for b in range(min(kept, BUFFERS) - 1, 0, -1):
        state[s, RING + d * BUFFERS + b] = state[s, RING + d * BUFFERS + b - 1]
    state[s, RING + d * BUFFERS] = number
    state[s, RING_COUNT + d] += 1


@inner
def unmet(plan, fixed, state, chip, s):
    """Return the first need of stream *s* that is not met, -1 when all are."""
    for d in range(plan[s, NEED_COUNT]):
        if state[plan[s, NEED_ON + d], FINISHED] < state[s, NEED + d]:
            return d
    return -1


@inner
def is_blocked(plan, state, s):
    """Return whether a need of stream *s* is not met; the one that was not the last time is looked at first."""
    d = state[s, BLOCKER]
    if d < plan[s, NEED_COUNT] and state[plan[s, NEED_ON + d], FINISHED] < state[s, NEED + d]:
        return True
    for d in range(plan[s, NEED_COUNT]):
        if state[plan[s, NEED_ON + d], FINISHED] < state[s, NEED + d]:
            state[s, BLOCKER] = d
            return True
    return False


@inner
def before(plan, fixed, state, chip, a, b):
    """Return whether the next task of stream *a* comes before that of *b* in the order of the policy."""
    if fixed[POLICY] == AUTO and plan[a, IN_KERNEL] and plan[b, IN_KERNEL]:
        one = state[a, fixed[BEGUN]] + plan[a, STAGE]
        other = state[b, fixed[BEGUN]] + plan[b, STAGE]
        return one < other or (one == other and plan[a, POSITION] < plan[b, POSITION])
    for k in range(plan[a, SHARED + b]):
        if state[a, DIGITS + k] != state[b, DIGITS + k]:
            return state[a, DIGITS + k] < state[b, DIGITS + k]
    return a < b


@inner
def due(plan, fixed, state, chip, s):
    """Return whether the step that stands now has the next task of stream *s*."""
    if plan[s, IN_STEP] < 0:
        return True
    if plan[s, IN_STEP] != chip[STEP]:
        return False
    if plan[s, IN_KERNEL]:
        return state[s, fixed[BEGUN]] + plan[s, STAGE] <= chip[EPOCH]
    return is_reached(plan, state, chip, s)


@inner
def is_reached(plan, state, chip, s):
    """Return whether the epochs have come to the next task of stream *s*, one outside the deepest body."""
    epoch = chip[EPOCH] - plan[s, STAGE]
    if epoch < 0:
        return False
    if plan[s, AFTER]:  # the last epoch up to its task
        return number_of_epoch(chip, epoch + 1) > state[s, HEAD_EPOCH]
    return number_of_epoch(chip, epoch) >= state[s, HEAD_EPOCH]


@inner
def number_of_epoch(chip, epoch):
    """Return the number of the reference stream's task of one of the last epochs, or of the next; FAR after the last."""
    return chip[EPOCH_NUMBER + epoch % EPOCHS_KNOWN]


@inner
def next_epoch(plan, fixed, chip):
    """Go on to the next epoch: the next task of the reference stream that is wanted."""
    chip[EPOCH] += 1
    look_ahead(plan, fixed, chip, advance(plan, fixed, fixed[REFERENCE], chip[CURSOR : CURSOR + WIDTH]))


@inner
def look_ahead(plan, fixed, chip, turned):
    """Note the number of the epoch after this one; it has none when the last loop has *turned* (-1)."""
    at = EPOCH_NUMBER + (chip[EPOCH] + 1) % EPOCHS_KNOWN
    if turned < 0 or chip[EPOCH_NUMBER + chip[EPOCH] % EPOCHS_KNOWN] == FAR:
        chip[at] = FAR
    else:
        chip[at] = number_of(plan, fixed, fixed[REFERENCE], chip[CURSOR : CURSOR + WIDTH])


@inner
def watch_places(plan, fixed, state, chip, s):
    """Remember the most tiles of a transfer, or values of a task, that are alive at once."""
    alive = np.int64(1)
    for d in range(plan[s, NEED_COUNT]):
        r, kind = plan[s, NEED_ON + d], plan[s, NEED_KIND + d]
        if kind == 3 and plan[s, FILTERED] and plan[s, NEED_BUFFERS + d] < UNLIMITED:
            held = np.int64(1)
            for b in range(1, min(plan[s, NEED_BUFFERS + d], state[s, RING_COUNT + d])):
                if state[s, RING + d * BUFFERS + b] >= state[r, FINISHED]:
                    held += 1
            alive = max(alive, held)
        elif kind == 3:
            alive = max(alive, state[s, ISSUED] + 1 - state[r, FINISHED])
        elif kind == 1 and state[s, ACTIVE]:
            held = np.int64(1)
            for b in range(plan[s, NEED_BUFFERS + d] - 1):
                if b + 1 < state[s, RING_COUNT + d] and state[r, FINISHED] < state[s, RING + d * BUFFERS + b]:
                    held += 1
            alive = max(alive, held)
    state[s, ALIVE] = max(state[s, ALIVE], alive)
