"""Tiles that a band of points touches, counted without walking them.

Rows 0..R-1 are cut into tiles of *tr* rows, columns 0..C-1 into tiles of *tc*. The band holds the points with
``lo <= column - row <= hi``: a causal mask (``hi`` fixed, ``lo`` far below), a window (both). Everything is exact, in whole
numbers; the sums of rounded-down lines take O(log) steps, by the Euclid-like reduction known as floor sum (AtCoder
Library, ``floor_sum``).

These functions also stand, as text, in the code that :mod:`fusemax.cost.lower` generates: no imports, no classes, numbers
only. A tile below one holds nothing.
"""


def floor_sum(n, m, a, b):
    """Return the sum of floor((a*i + b) / m) over i = 0 .. n-1; n <= 0 gives 0. Whole numbers, m > 0, any sign of a, b."""
    total = 0
    if n <= 0:
        return total
    while True:
        total += (n - 1) * n // 2 * (a // m) + n * (b // m)
        a, b = a % m, b % m
        top = a * n + b
        if top < m:
            return total
        n, b, m, a = top // m, top % m, a, m


def _line_sum(first, last, tile, step, offset):
    """Return the sum of floor((step*i + offset) / tile) over i = first .. last."""
    return floor_sum(last - first + 1, tile, step, offset + step * first)


def row_tiles(i, R, tr, C, tc, lo, hi):
    """Return how many tiles of columns the band touches in the i-th tile of rows."""
    above = min(C - 1, min(R, (i + 1) * tr) - 1 + hi)
    below = max(0, i * tr + lo)
    if hi < lo or above < below:
        return 0
    return above // tc - below // tc + 1


def band_pairs(R, tr, C, tc, lo, hi):
    """Return how many (tile of rows, tile of columns) pairs hold a point of the band.

    >>> band_pairs(4, 2, 4, 2, -4, 0)  # a causal square of four, in tiles of two
    3
    >>> band_pairs(4, 1, 4, 1, -4, 0)
    10
    """
    R, tr, C, tc, lo, hi = int(R), int(tr), int(C), int(tc), int(lo), int(hi)
    if hi < lo or tr < 1 or tc < 1:
        return 0
    tiles = -(-R // tr)
    first = max(0, -((hi - 1) // tr) - 1)  # from here on the band has reached column 0
    last = min(
        tiles - 2, (C - 1 - lo) // tr
    )  # up to here it has not passed the last; the last tile may be ragged
    total = row_tiles(tiles - 1, R, tr, C, tc, lo, hi)
    if last < first:
        return total
    turn = min(max(-((hi - C) // tr) - 1, first), last + 1)  # from here on the upper edge is the last column
    total += _line_sum(first, turn - 1, tc, tr, tr - 1 + hi) + (last - turn + 1) * ((C - 1) // tc)
    leave = min(max(-lo // tr + 1, first), last + 1)  # from here on the lower edge is above column 0
    total -= _line_sum(leave, last, tc, tr, lo)
    return total + last - first + 1


def _extreme(sign, R, tr, C, tc, lo, hi):
    """Return sign times the largest sign*row_tiles. Between its corners the count is monotone, or periodic in few tiles."""
    R, tr, C, tc, lo, hi = int(R), int(tr), int(C), int(tc), int(lo), int(hi)
    if tr < 1 or tc < 1:
        return 0
    tiles = -(-R // tr)
    turn, leave = -((hi - C) // tr) - 1, -lo // tr + 1
    first, last = -((hi - 1) // tr) - 1, (C - 1 - lo) // tr
    best = max(sign * row_tiles(0, R, tr, C, tc, lo, hi), sign * row_tiles(tiles - 1, R, tr, C, tc, lo, hi))
    for corner in (turn, leave, first, last, tiles - 1):
        for i in range(max(0, corner - 1), min(tiles, corner + 2)):
            best = max(best, sign * row_tiles(i, R, tr, C, tc, lo, hi))
    start = max(0, leave, first)
    for i in range(start, min(tiles, turn, last + 1, start + tc)):
        best = max(best, sign * row_tiles(i, R, tr, C, tc, lo, hi))
    return sign * best


def band_most(R, tr, C, tc, lo, hi):
    """Return the tiles of columns in the tile of rows that has most of them."""
    return _extreme(1, R, tr, C, tc, lo, hi)


def band_least(R, tr, C, tc, lo, hi):
    """Return the tiles of columns in the tile of rows that has fewest of them."""
    return _extreme(-1, R, tr, C, tc, lo, hi)


def dealt_in_order(before, after, cores, R, tr, C, tc, lo, hi):
    """Return the tiles that the busiest core does when tasks go, in their order, to the core that is free first.

    Tasks are tiles of rows: *before* times all of them in turn, each *after* times. When there are many rounds for each
    core, the first times are dealt evenly and only those of the last 32 rounds one by one.

    >>> dealt_in_order(1, 1, 2, 4, 1, 4, 1, -4, 0)  # tasks of 1, 2, 3 and 4 tiles on two cores: 1 + 3 and 2 + 4
    6.0
    """
    before, after, cores = int(before), int(after), int(cores)
    R, tr, C, tc, lo, hi = int(R), int(tr), int(C), int(tc), int(lo), int(hi)
    if tr < 1 or tc < 1 or cores < 1:
        return 0.0
    tiles = -(-R // tr)
    rounds = -(-before * after * tiles // cores)
    times = before if rounds <= 32 else min(before, -(-32 * cores // (after * tiles)))
    even = (before - times) * after * band_pairs(R, tr, C, tc, lo, hi) / cores
    loads = [0] * min(cores, times * after * tiles)
    for _ in range(times):
        for i in range(tiles):
            work = row_tiles(i, R, tr, C, tc, lo, hi)
            for _ in range(after):
                load, place = loads[0] + work, 0  # a heap whose smallest stands first: sift the new load down
                child = 1
                while child < len(loads):
                    if child + 1 < len(loads) and loads[child + 1] < loads[child]:
                        child += 1
                    if loads[child] >= load:
                        break
                    loads[place] = loads[child]
                    place, child = child, 2 * child + 1
                loads[place] = load
    return even + max(loads)


def dealt_longest_first(others, cores, R, tr, C, tc, lo, hi):
    """Return the tiles that the busiest core does when tasks are dealt heaviest first, each to the core that is free first.

    Every tile of rows is a task, *others* times. With more than 32 tasks for each core the light ones at the end even the
    loads out: then an even share, or the heaviest task.

    >>> dealt_longest_first(1, 2, 4, 1, 4, 1, -4, 0)  # tasks of 4, 3, 2 and 1 tiles on two cores
    5.0
    """
    others, cores = int(others), int(cores)
    R, tr, C, tc, lo, hi = int(R), int(tr), int(C), int(tc), int(lo), int(hi)
    if tr < 1 or tc < 1 or cores < 1:
        return 0.0
    tiles = -(-R // tr)
    if others * tiles > 32 * cores:
        most = band_most(R, tr, C, tc, lo, hi)
        return max(others * band_pairs(R, tr, C, tc, lo, hi) / cores, most * 1.0)
    works = [row_tiles(i, R, tr, C, tc, lo, hi) for i in range(tiles)]
    works.sort()
    loads = [0] * min(cores, others * tiles)
    for i in range(tiles):
        work = works[tiles - 1 - i]
        for _ in range(others):
            load, place = loads[0] + work, 0  # a heap whose smallest stands first: sift the new load down
            child = 1
            while child < len(loads):
                if child + 1 < len(loads) and loads[child + 1] < loads[child]:
                    child += 1
                if loads[child] >= load:
                    break
                loads[place] = loads[child]
                place, child = child, 2 * child + 1
            loads[place] = load
    return max(loads) * 1.0
