"""Tiles that a region touches, counted: the whole numbers x with sum of a*x <= b for each of its rows.

An *axis* is one of the x: it runs from 0 to its size - 1 and is cut into tiles. The rows are closed
(:mod:`fusemax.cost.region`): all that follows from several of them together is a row too, so that a box - an interval of each
axis - holds a point of the region just when no row rules out its best corner, and the values of one axis that go with a box
are an interval.

These functions also stand, as text after those of :mod:`fusemax.cost.ragged`, in the code that :mod:`fusemax.cost.lower`
generates: no classes, numbers only, and lists of numbers.
"""

from fusemax.cost.band import LONGEST, _pairs

BOXES = 1000000


def _whole_numbers(numbers):
    """Return *numbers* as whole ones; none at all when one is no number. Refuse what 64 bits cannot hold squared."""
    for number in numbers:
        if not -1e15 < number < 1e15:
            return [0] * 0
        if number > LONGEST or number < -LONGEST:
            raise OverflowError("lengths beyond whole numbers of 64 bits")
    return [int(number) for number in numbers]


def _span(rows, axes, lows, highs, axis):
    """Return the first and the last value of *axis* in its interval that go with those of the others; (0, -1) if none."""
    low, high = lows[axis], highs[axis]
    for at in range(0, len(rows), axes + 1):
        rest = rows[at + axes]
        for k in range(axes):
            step = rows[at + k]
            if k != axis and step != 0:
                rest -= step * (lows[k] if step > 0 else highs[k])
        step = rows[at + axis]
        if step > 0:
            high = min(high, rest // step)
        elif step < 0:
            low = max(low, -(rest // -step))
        elif rest < 0:
            return 0, -1
    if high < low:
        return 0, -1
    return low, high


def _difference(rows, axes, lows, highs, x, y):
    """Return the rows between *x* and *y* alone, the others in their intervals: 1, lowest and highest x, the same of y, and

    lowest and highest y - x, or y + x: then it begins with -1. It begins with 0 where they are not of one of these kinds.
    """
    kind, lo, hi = 0, -(1 << 60), 1 << 60
    x0, x1, y0, y1 = lows[x], highs[x], lows[y], highs[y]
    for at in range(0, len(rows), axes + 1):
        rest = rows[at + axes]
        for k in range(axes):
            step = rows[at + k]
            if k != x and k != y and step != 0:
                rest -= step * (lows[k] if step > 0 else highs[k])
        a, b = rows[at + x], rows[at + y]
        if a == 0 and b == 0:
            if rest < 0:
                return 1, 0, -1, 0, -1, 0, -1
        elif b == 0:
            x0, x1 = (x0, min(x1, rest // a)) if a > 0 else (max(x0, -(rest // -a)), x1)
        elif a == 0:
            y0, y1 = (y0, min(y1, rest // b)) if b > 0 else (max(y0, -(rest // -b)), y1)
        else:
            if a * a != 1 or b * b != 1 or kind == a * b:
                return 0, 0, 0, 0, 0, 0, 0
            kind = -a * b
            if b > 0:
                hi = min(hi, rest)
            else:
                lo = max(lo, -rest)
    return (kind if kind != 0 else 1), x0, x1, y0, y1, lo, hi


def _many_pairs(rows, axes, lows, highs, x, y, tx, ty):
    """Return the touched pairs of tiles of *x* and *y*, the others in their intervals; -1 where that is not known."""
    kind, x0, x1, y0, y1, lo, hi = _difference(rows, axes, lows, highs, x, y)
    if kind == 0:
        return -1
    if x1 < x0 or y1 < y0 or hi < lo:
        return 0
    total, first, last = 0, lows[x], highs[x]
    start = -(-x0 // tx) * tx
    if start > x0:  # a tile that does not begin at its beginning
        lows[x], highs[x] = x0, min(x1, start - 1)
        a, b = _span(rows, axes, lows, highs, y)
        total += b // ty - a // ty + 1 if b >= a else 0
        lows[x], highs[x] = first, last
    if start > x1:
        return total
    left = x1 - start + 1
    reach = left + y1 + 2
    if kind > 0:
        low, high = max(lo + start, -reach), min(hi + start, reach)
        return total + _pairs(left, min(tx, left), y1 + 1, y0, ty, low, high)
    whole = (y1 // ty + 1) * ty
    low, high = max(whole - 1 - hi + start, -reach - whole), min(whole - 1 - lo + start, reach + whole)
    return total + _pairs(left, min(tx, left), whole - y0, whole - 1 - y1, ty, low, high)


def _add_pairs(rows, axes, sizes, tiles, lows, highs, x, y, found, at):
    """Add the touched pairs of tiles of *x* and *y* by place, the others in their intervals; return whether they are known."""
    tx, ty = tiles[x], tiles[y]
    if highs[x] // tx - lows[x] // tx < 4:
        return False
    total = _many_pairs(rows, axes, lows, highs, x, y, tx, ty)
    if total < 0:
        return False
    first, last, begin, end = lows[x], highs[x], lows[y], highs[y]
    in_x = in_y = corner = 0
    edge = (sizes[x] - 1) // tx * tx
    if last >= edge:
        lows[x] = max(first, edge)
        a, b = _span(rows, axes, lows, highs, y)
        if b >= a:
            in_x = b // ty - a // ty + 1
            corner = 1 if b // ty == (sizes[y] - 1) // ty else 0
        lows[x] = first
    other = (sizes[y] - 1) // ty * ty
    if end >= other:
        lows[y] = max(begin, other)
        a, b = _span(rows, axes, lows, highs, x)
        in_y = b // tx - a // tx + 1 if b >= a else 0
        lows[y] = begin
    one, two = 1 << x, 1 << y
    found[at] += total - in_x - in_y + corner
    found[at + one] += in_x - corner
    found[at + two] += in_y - corner
    found[at + one + two] += corner
    return True


def _order(sizes, tiles, last):
    """Return the axes, those with most tiles at the end; *last* stands there in any case, unless it is below zero."""
    order = [axis for axis in range(len(sizes))]
    for n in range(1, len(order)):
        k = n
        while k > 0:
            one, other = order[k - 1], order[k]
            more = sizes[one] // tiles[one] > sizes[other] // tiles[other] and other != last
            if one == last or more:
                order[k - 1], order[k] = other, one
            k -= 1
    return order


def _add_touched(rows, sizes, tiles, lows, highs, last, found, at, left):
    """Add to *found*, from *at* on, the touched tiles inside the intervals from *lows* to *highs*, by place.

    A place is the sum of 2**k over the axes k in whose last tile it is. Return how many of *left* steps are left.
    """
    axes = len(sizes)
    order = _order(sizes, tiles, last)
    low, high = [value for value in lows], [value for value in highs]
    here, stop, place = [0] * axes, [0] * axes, 0
    depth, entering = 0, True
    while depth >= 0:
        axis = order[depth]
        tile = tiles[axis]
        edge = (sizes[axis] - 1) // tile
        if entering:
            left -= 1
            if left < 0:
                return left
            a, b = _span(rows, axes, low, high, axis)
            done = b < a
            if not done and depth == axes - 1:
                odd = 1 if b // tile == edge else 0
                found[at + place] += b // tile - a // tile + 1 - odd
                found[at + place + (1 << axis)] += odd
                done = True
            elif not done and depth == axes - 2:
                y = order[depth + 1]
                done = _add_pairs(rows, axes, sizes, tiles, low, high, axis, y, found, at + place)
            here[depth], stop[depth] = a // tile, b // tile
            if done:
                stop[depth] = here[depth] - 1
        else:
            place -= (1 << axis) if here[depth] == edge else 0
            here[depth] += 1
        if here[depth] > stop[depth]:
            low[axis], high[axis] = lows[axis], highs[axis]
            depth, entering = depth - 1, False
            continue
        low[axis] = max(lows[axis], here[depth] * tile)
        high[axis] = min(highs[axis], here[depth] * tile + tile - 1)
        place += (1 << axis) if here[depth] == edge else 0
        depth, entering = depth + 1, True
    return left


def region_tiles(numbers):
    """Return how many tiles hold a point of a region, by place: the sum of 2**k over the axes k in whose last tile it is.

    *numbers* are how many axes there are; the axis whose values are to be an interval (-1: any); for each axis its size and
    the size of a tile; then the closed rows: the step of each axis, and the bound. With more than ``BOXES`` steps the counts
    are no numbers.

    >>> region_tiles([2, -1, 4, 1, 4, 1, 1, -1, 0])  # x <= y: ten pairs, by whether x and y are 3
    [6.0, 0.0, 3.0, 1.0]
    """
    axes = int(numbers[0])
    none = [0.0] * (1 << axes)
    whole = _whole_numbers(numbers)
    if len(whole) == 0:
        return none
    sizes, tiles = whole[2 : 2 + 2 * axes : 2], whole[3 : 3 + 2 * axes : 2]
    for k in range(axes):
        if sizes[k] < 1 or tiles[k] < 1:
            return none
        tiles[k] = min(tiles[k], sizes[k])
    found = [0.0] * (1 << axes)
    lows, highs = [0] * axes, [size - 1 for size in sizes]
    left = _add_touched(whole[2 + 2 * axes :], sizes, tiles, lows, highs, whole[1], found, 0, BOXES)
    if left < 0:
        return [1e308 * 10.0 - 1e308 * 10.0 for _ in found]
    return found
