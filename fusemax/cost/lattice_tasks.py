"""Tasks that a region makes unequal, dealt to cores one by one.

As :mod:`fusemax.cost.ragged` does under a band. These functions also stand, as text after those of
:mod:`fusemax.cost.lattice_visits`, in the code that :mod:`fusemax.cost.lower` generates: no classes, numbers only, and
lists of numbers.
"""

from fusemax.cost.lattice import BOXES, _add_touched, _whole_numbers
from fusemax.cost.ragged import _add_busiest, _left_in
from fusemax.cost.visits import VISITS


def _kind_of(whole, first, each, kinds, others, sizes):
    """Return which of the kinds of tasks, *each* so many numbers long, has *sizes* of the other roots."""
    kind = 0
    for k in range(kinds):
        same = True
        for other in range(others):
            same = same and whole[first + k * each + other] == sizes[other]
        kind = k if same else kind
    return kind


def _tasks_of_region(numbers, whole, rows, first, width):
    """Return every task - its kind, then what it has by place - and its cycles; none if there are too many."""
    axes, last, loops, others, groups, kinds = whole[2], whole[3], whole[4], whole[5], whole[6], whole[7]
    roots, each, many = axes + others, others + 2 * width, 1 << axes
    starts, ends = [0] * (roots * (loops + 1)), [0] * (roots * (loops + 1))
    for root in range(roots):
        ends[root] = whole[8 + 3 * loops + root]
    place, depth, left = [0] * (loops + 1), 0, BOXES
    found, weights = [0.0] * 0, [0.0] * 0
    sizes, tiles, lows, highs = [0] * axes, [0] * axes, [0] * axes, [0] * axes
    while depth >= 0:
        left -= 1
        if left < 0 or len(weights) > VISITS:
            return [0.0] * 0, [0.0] * 0
        base = roots * depth
        if depth < loops:
            root, inner, around = whole[8 + 3 * depth], whole[9 + 3 * depth], whole[10 + 3 * depth]
            start = starts[base + root]
            size = _left_in(ends[base + root] - start, place[depth], inner, around)
            if size >= 0:
                start += place[depth] * inner if around == 0 else 0
                for other in range(roots):
                    starts[base + roots + other] = starts[base + other]
                    ends[base + roots + other] = ends[base + other]
                starts[base + roots + root] = start
                ends[base + roots + root] = start + size
                depth += 1
                continue
            place[depth] = 0
        else:
            own = [ends[base + axes + k] - starts[base + axes + k] for k in range(others)]
            kind = _kind_of(whole, first, each, kinds, others, own)
            one, mine = [0.0] * width, 0
            for k in range(axes):
                mine += (1 << k) if ends[base + k] == ends[k] else 0
            one[mine] = 1.0
            for group in range(groups):
                at = 8 + 3 * loops + roots + 2 * axes * group
                there = True  # not where a ragged end has no points
                for k in range(axes):
                    sizes[k], tiles[k] = whole[at + 2 * k], whole[at + 2 * k + 1]
                    lows[k], highs[k] = starts[base + k], min(ends[base + k], sizes[k]) - 1
                    there = there and sizes[k] > 0 and tiles[k] > 0
                if there:
                    left = _add_touched(rows, sizes, tiles, lows, highs, last, one, many * (group + 1), left)
            cycles = 0.0
            for k in range(width):
                cycles += one[k] * numbers[first + kind * each + others + k]
            if cycles > 0.0:
                weights.append(cycles)
                found.append(kind * 1.0)
                for k in range(width):
                    found.append(one[k])
        depth -= 1
        if depth >= 0:
            place[depth] += 1
    return found, weights


def region_tasks(numbers):
    """Return what the busiest core does when tasks under a region are dealt, each to the core that is free first.

    As :func:`fusemax.cost.ragged.dealt_tasks`, under a region. *numbers* begin with 1 where tasks come as the loops run, else
    0; the cores; how many axes the region has and which one is its last; how many loops, other roots, groups and kinds there
    are. Then come, for each loop, outermost first, its root (the axes, then the others), the values of one iteration, and
    after how many these come again where digits outside are not held still, else 0; the size of each axis and each other
    root; for each group, the size of each axis and of its tiles; for each kind, its size of each other root, and twice
    2**axes*(1 + groups) numbers: the cycles of a task by place, and of a touched tile of each group by place; then how many
    there are of each in all tasks. Then the rows. What comes back has as many numbers for each kind.
    """
    axes, loops, others, groups, kinds = (
        int(numbers[2]), int(numbers[4]), int(numbers[5]), int(numbers[6]), int(numbers[7])
    )  # fmt: skip
    width = (1 << axes) * (1 + groups)
    first = 8 + 3 * loops + axes + others + 2 * axes * groups
    each = others + 2 * width
    result = [0.0] * (width * kinds)
    plain = [number for number in numbers]
    for kind in range(kinds):  # cycles and counts are no lengths
        for k in range(2 * width):
            number = numbers[first + kind * each + others + k]
            if not -1e300 < number < 1e300:
                return result
            plain[first + kind * each + others + k] = 0.0
    whole = _whole_numbers(plain)
    for at in range(9, 8 + 3 * loops, 3):
        if len(whole) > 0 and whole[at] < 1:
            return result
    for at in range(8 + 3 * loops, 8 + 3 * loops + axes + others):
        if len(whole) > 0 and whole[at] < 1:
            return result
    if len(whole) == 0:
        return result
    cores = max(1, whole[1])
    found, weights = _tasks_of_region(numbers, whole, whole[first + kinds * each :], first, width)
    if len(weights) == 0:
        for kind in range(kinds):
            for k in range(width):
                result[kind * width + k] = numbers[first + kind * each + others + width + k] / cores
        return result
    _add_busiest(numbers[0] > 0, cores, width, found, weights, result)
    return result
