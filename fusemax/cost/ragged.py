"""Tasks that a band and ragged ranks make unequal, dealt to cores one by one.

These functions also stand, as text after those of :mod:`fusemax.cost.visits`, in the code that :mod:`fusemax.cost.lower`
generates: no classes, numbers only, and lists of numbers.
"""

from fusemax.cost.deal import _free_first, _heaviest_first
from fusemax.cost.visits import VISITS, _end_touched, _first_touched, _is_touched


def _first_kind(numbers):
    """Return where the kinds begin."""
    return 11 + 3 * int(numbers[7]) + int(numbers[8]) + 2 * int(numbers[9])


def _left_in(size, place, inner, around):
    """Return how many of *size* elements there are in iteration *place* of a loop over one of their digits; -1 after the last.

    A value of the digit stands for *inner* elements in a row. With digits outside of it that are not held still these come
    once in each *around* elements; 0 where there are none: then the loop ends where the elements do.
    """
    turns = size // around if around > 0 else 0
    rest = size - turns * around
    if place * inner >= (rest if turns == 0 else around):
        return -1
    return turns * inner + max(0, min(inner, rest - place * inner))


def _pairs_of_group(numbers, one, at, tr, tc, starts, ends, base):
    """Add to *one*, from *at* on, the touched pairs of tiles of *tr* rows and *tc* columns in a task, by place."""
    lo, hi, sign, R, C = int(numbers[2]), int(numbers[3]), int(numbers[4]), int(numbers[5]), int(numbers[6])
    begin, end = starts[base + 1], ends[base + 1]
    for row in range(starts[base], ends[base], tr):
        stop = min(row + tr, ends[base])
        if not _is_touched(row, stop, begin, end, lo, hi, sign):
            continue
        first = _first_touched(row, stop, begin, lo, sign, tc) // tc
        last = (_end_touched(row, stop, end, hi, sign, tc) - 1) // tc
        odd = 1 if last == (C - 1) // tc else 0
        place = at + (2 if stop == R else 0)
        one[place] += last - first + 1 - odd
        one[place + 1] += odd


def _task(numbers, starts, ends, base):
    """Return one task: its kind, its tasks and pairs by place, and its cycles."""
    loops, others, groups, kinds = int(numbers[7]), int(numbers[8]), int(numbers[9]), int(numbers[10])
    width, first = 4 + 4 * groups, _first_kind(numbers)
    kind = 0
    for k in range(kinds):
        same = True
        for other in range(others):
            size = ends[base + 2 + other] - starts[base + 2 + other]
            same = same and numbers[first + k * (others + 2 * width) + other] == size
        kind = k if same else kind
    one = [0.0] * (width + 2)
    one[0] = kind * 1.0
    last_rows = 1 if ends[base] == int(numbers[5]) else 0
    one[1 + 2 * last_rows + (1 if ends[base + 1] == int(numbers[6]) else 0)] = 1.0
    for group in range(groups):
        at = 11 + 3 * loops + others + 2 * group
        _pairs_of_group(
            numbers, one, 5 + 4 * group, int(numbers[at]), int(numbers[at + 1]), starts, ends, base
        )
    cycles = first + kind * (others + 2 * width) + others
    for k in range(width):
        one[width + 1] += one[1 + k] * numbers[cycles + k]
    return one


def _tasks(numbers):
    """Return every task - its kind, then its tasks and pairs by place - and its cycles; none if they are too many."""
    loops, others, groups = int(numbers[7]), int(numbers[8]), int(numbers[9])
    width, roots, left = 4 + 4 * groups, 2 + others, VISITS
    starts, ends = [0] * (roots * (loops + 1)), [0] * (roots * (loops + 1))
    ends[0], ends[1] = int(numbers[5]), int(numbers[6])
    for other in range(others):
        ends[2 + other] = int(numbers[11 + 3 * loops + other])
    place, depth = [0] * (loops + 1), 0
    found, weights = [0.0] * 0, [0.0] * 0
    while depth >= 0:
        left -= 1
        if left < 0:
            return [0.0] * 0, [0.0] * 0
        base, deeper = roots * depth, False
        if depth < loops:
            at = 11 + 3 * depth
            root, inner, around = int(numbers[at]), int(numbers[at + 1]), int(numbers[at + 2])
            start = starts[base + root]
            size = _left_in(ends[base + root] - start, place[depth], inner, around)
            if size >= 0:
                start += place[depth] * inner if around == 0 else 0
                for other in range(roots):
                    starts[base + roots + other], ends[base + roots + other] = (
                        starts[base + other],
                        ends[base + other],
                    )
                starts[base + roots + root] = start
                ends[base + roots + root] = start + size
                deeper = True
            else:
                place[depth] = 0
        else:
            one = _task(numbers, starts, ends, base)
            if one[width + 1] > 0.0:
                weights.append(one[width + 1])
                for k in range(width + 1):
                    found.append(one[k])
        if deeper:
            depth += 1
            continue
        depth -= 1
        if depth >= 0:
            place[depth] += 1
    return found, weights


def _add_busiest(in_order, cores, width, found, weights, result):
    """Add to *result* what the busiest core does: of each task its kind, then *width* numbers, stand in *found*."""
    order = [n for n in range(len(weights))] if in_order else _heaviest_first(weights)
    ready = min(cores, len(weights))
    loads, names, done, owner = [0.0] * ready, [n for n in range(ready)], [0.0] * ready, [0] * len(weights)
    for n in order:
        owner[n] = _free_first(loads, names, weights[n])
        done[owner[n]] += weights[n]
    busiest = 0
    for core in range(ready):
        busiest = core if done[core] > done[busiest] else busiest
    for n in range(len(weights)):
        if owner[n] == busiest:
            for k in range(width):
                result[int(found[n * (width + 1)]) * width + k] += found[n * (width + 1) + k + 1]


def dealt_tasks(numbers):
    """Return what the busiest core does when tasks are dealt, each to the core that is free first.

    A task is one iteration of the loops over cores: a tile of rows and columns under the band, of sizes of other roots that
    make its *kind*, made of *groups* of pairs of tiles (one for each tiling in which bodies are done). *numbers* begin with 1
    where tasks come as the loops run, else 0 (the heaviest first); the cores; the band's lowest and highest column - row, or
    column + row, and its sign; rows and columns; how many loops, other roots, groups and kinds there are. Then come, for each
    loop, outermost first, its root (0: rows, 1: columns, from 2 on the others), the elements of one iteration, and after how
    many elements these come again where digits outside are not held still, else 0; the size of each other root; the tiles of
    rows and of columns of each group; for each kind, its size of each other root, and twice 4 + 4*groups numbers: the cycles
    of one task by place (whole or last rows, whole or last columns), and of one pair of each group by place; then how many
    there are of each in all tasks.

    What comes back has as many numbers for each kind: tasks and pairs that the busiest core does. With more than ``VISITS``
    tasks that is an even share.
    """
    cores, width, kinds = int(numbers[1]), 4 + 4 * int(numbers[9]), int(numbers[10])
    for number in numbers:
        if not -1e15 < number < 1e15:
            return [0.0] * (width * kinds)
    found, weights = _tasks(numbers)
    result = [0.0] * (width * kinds)
    if len(found) == 0:
        others, first = int(numbers[8]), _first_kind(numbers)
        for kind in range(kinds):
            at = first + kind * (others + 2 * width) + others + width
            for k in range(width):
                result[kind * width + k] = numbers[at + k] / cores
        return result
    _add_busiest(numbers[0] > 0, cores, width, found, weights, result)
    return result
