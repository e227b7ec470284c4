"""Tiles that a band of points touches, counted without walking them.

Rows 0..R-1 are cut into tiles of *tr* rows, columns 0..C-1 into tiles of *tc*. With *sign* 1 the band holds the points with
``lo <= column - row <= hi``: a causal mask (``hi`` fixed, ``lo`` far below), a window (both). With *sign* -1 it holds those
with ``lo <= column + row <= hi``: then columns are counted from the end, in whole tiles, so that the first may be short. The
short tile of columns, or else the last one, is the *odd* one; the last tile of rows is the other that may be short.

Everything is exact, in whole numbers; the sums of rounded-down lines take O(log) steps, by the Euclid-like reduction known as
floor sum (AtCoder Library, ``floor_sum``).

These functions also stand, as text, in the code that :mod:`fusemax.cost.lower` generates: no imports, no classes, numbers
only. A tile below one holds nothing. Compiled whole numbers have 64 bits: there ``LONGEST`` is a length whose square they
hold, and longer ones are refused, for plain code to do.
"""

LONGEST = float("inf")


def check_lengths(R, C, lo, hi):
    """Refuse lengths whose squares whole numbers cannot hold."""
    if R > LONGEST or C > LONGEST or abs(lo) > LONGEST or abs(hi) > LONGEST:
        raise OverflowError("lengths beyond whole numbers of 64 bits")


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


def upright(C, tile, lo, hi, sign):
    """Return columns, the first of them that there is, lo and hi of the same band as one of *sign* 1."""
    if sign > 0:
        return C, 0, lo, hi
    whole = -(-C // tile) * tile
    return whole, whole - C, whole - 1 - hi, whole - 1 - lo


def row_span(i, R, tr, C, c0, tc, lo, hi):
    """Return the first and the last tile of columns that the band touches in the i-th tile of rows; (0, -1) if none."""
    above = min(C - 1, min(R, (i + 1) * tr) - 1 + hi)
    below = max(c0, i * tr + lo)
    if hi < lo or above < below:
        return 0, -1
    return below // tc, above // tc


def row_tiles(i, R, tr, C, c0, tc, lo, hi):
    """Return how many tiles of columns the band touches in the i-th tile of rows."""
    first, last = row_span(i, R, tr, C, c0, tc, lo, hi)
    return last - first + 1


def _pairs(R, tr, C, c0, tc, lo, hi):
    """Return how many (tile of rows, tile of columns) pairs hold a point of the band."""
    if hi < lo:
        return 0
    tiles = -(-R // tr)
    first = max(0, -((hi - 1 - c0) // tr) - 1)  # from here on the band has reached the first column
    last = min(
        tiles - 2, (C - 1 - lo) // tr
    )  # up to here it has not passed the last; the last tile may be ragged
    total = row_tiles(tiles - 1, R, tr, C, c0, tc, lo, hi)
    if last < first:
        return total
    turn = min(max(-((hi - C) // tr) - 1, first), last + 1)  # from here on the upper edge is the last column
    total += _line_sum(first, turn - 1, tc, tr, tr - 1 + hi) + (last - turn + 1) * ((C - 1) // tc)
    leave = min(max((c0 - lo) // tr + 1, first), last + 1)  # from here on the lower edge is above the first
    total -= _line_sum(leave, last, tc, tr, lo) + (leave - first) * (c0 // tc)
    return total + last - first + 1


def band_pairs(R, tr, C, tc, lo, hi, sign):
    """Return how many (tile of rows, tile of columns) pairs hold a point of the band.

    >>> band_pairs(4, 2, 4, 2, -4, 0, 1)  # a causal square of four, in tiles of two
    3.0
    >>> band_pairs(4, 1, 4, 1, -4, 0, 1)
    10.0
    """
    check_lengths(R, C, lo, hi)
    R, tr, C, tc, lo, hi, sign = int(R), int(tr), int(C), int(tc), int(lo), int(hi), int(sign)
    if tr < 1 or tc < 1 or R < 1 or C < 1:
        return 0.0
    columns, c0, low, high = upright(C, tc, lo, hi, sign)
    return _pairs(R, min(tr, R), columns, c0, tc, low, high) * 1.0


def band_kinds(R, tr, C, tc, lo, hi, sign):
    """Return the touched pairs by kind: whole tiles of both, whole rows and odd columns, last rows and whole columns, neither.

    >>> band_kinds(3, 2, 3, 2, -3, 0, 1)  # a causal square of three, in tiles of two
    (1.0, 0.0, 1.0, 1.0)
    """
    check_lengths(R, C, lo, hi)
    R, tr, C, tc, lo, hi, sign = int(R), int(tr), int(C), int(tc), int(lo), int(hi), int(sign)
    if tr < 1 or tc < 1 or R < 1 or C < 1:
        return 0.0, 0.0, 0.0, 0.0
    columns, c0, low, high = upright(C, tc, lo, hi, sign)
    if high < low:
        return 0.0, 0.0, 0.0, 0.0
    tr = min(tr, R)
    tiles = -(-R // tr)
    odd = c0 // tc if sign < 0 else (C - 1) // tc
    bottom, top = max(c0, odd * tc), min(columns, (odd + 1) * tc) - 1
    first, last = row_span(tiles - 1, R, tr, columns, c0, tc, low, high)
    corner = 1 if first <= odd <= last else 0
    from_row = max(0, -((high - 1 - bottom) // tr) - 1)
    odds = max(0, min(tiles - 2, (top - low) // tr) - from_row + 1)
    in_last = last - first + 1
    whole = _pairs(R, tr, columns, c0, tc, low, high) - in_last - odds
    return whole * 1.0, odds * 1.0, (in_last - corner) * 1.0, corner * 1.0


def _equal_tiles(first, last, tr, C, c0, tc, below, above):
    """Return for how many rows i = first .. last the tiles of i*tr + below and i*tr + above are one, both held to c0 .. C-1.

    *above* is at least *below* - 1.
    """
    if last < first:
        return 0
    turn = min(max(-((above - C) // tr), first), last + 1)  # from here on the upper one is held to C-1
    leave = min(max(-((below - c0) // tr), first), last + 1)  # up to here the lower one is held to c0
    begin, end = (C - 1) // tc * tc, (c0 // tc + 1) * tc - 1
    total = 0
    if turn <= leave - 1 and (C - 1) // tc == c0 // tc:
        total += leave - turn
    total += max(0, min(min(turn, leave) - 1, (end - above) // tr) - first + 1)
    total += max(0, last - max(max(turn, leave), -((below - begin) // tr)) + 1)
    if above - below < tc and leave < turn:
        steps = _line_sum(leave, turn - 1, tc, tr, above) - _line_sum(leave, turn - 1, tc, tr, below)
        total += turn - leave - abs(steps)
    return total


def _alone_in_odd(first, last, tr, columns, tc, low, high, sign, odd):
    """Return how many steps of *tr* rows, from *first* to *last*, touch the *odd* tile of columns and no other."""
    if sign > 0:
        begin = max(first, -((tr - 1 + high - odd * tc) // tr))
        begin = begin if odd == 0 else max(begin, -((low - odd * tc) // tr))
        return max(0, last - begin + 1)
    end = last if odd == (columns - 1) // tc else min(last, ((odd + 1) * tc - tr - high) // tr)
    return max(0, end - first + 1)


def _short_group(tiles, group, sign):
    """Return how many tiles the first *group* lacks: with *sign* -1, counted from the end, what the last does, else none."""
    return -tiles % group if sign < 0 else 0


def _followed(start, R, tr, columns, c0, tc, low, high, sign, odd, group):
    """Return how often tiles are wanted twice in a row from step *start* of *tr* rows on, and how often it is the *odd* one.

    One step ends with the tile with which the next begins, within a *group* of tiles. Steps are looked at one by one.
    """
    again = again_odd = 0
    short = _short_group(columns // tc, group, sign)
    for i in range(start, -(-R // tr) - 1):
        a, b = row_span(i, R, tr, columns, c0, tc, low, high)
        c, d = row_span(i + 1, R, tr, columns, c0, tc, low, high)
        if b < a or d < c:
            continue
        if sign < 0:
            a, b, c, d = c, d, a, b
        for j in range((max(a, c) + short) // group, (min(b, d) + short) // group + 1):
            end, begin = min(b, (j + 1) * group - 1 - short), max(c, j * group - short)
            if end == begin and a <= end and begin <= d:
                again += 1
                again_odd += 1 if end == odd else 0
    return again, again_odd


def band_turns(R, tr, C, Tc, tc, lo, hi, sign):
    """Return where tiles of columns are wanted twice in a row, when rows turn outside of columns, in tiles of *Tc* of them.

    Each for tiles of whole columns, and for the odd one: rows that begin with the tile that the row before ended with; rows
    that touch one tile alone; and 1 where the first row begins with the tile with which the last one ends.
    """
    check_lengths(R, C, lo, hi)
    R, tr, C, Tc, tc = int(R), int(tr), int(C), int(Tc), int(tc)
    lo, hi, sign = int(lo), int(hi), int(sign)
    if tr < 1 or tc < 1 or R < 1 or C < 1:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    columns, c0, low, high = upright(C, tc, lo, hi, sign)
    tr = min(tr, R)
    tiles = -(-R // tr)
    if high < low:
        return 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    odd = c0 // tc if sign < 0 else (C - 1) // tc
    first = max(0, -((high - 1 - c0) // tr) - 1)
    last = min(tiles - 2, (columns - 1 - low) // tr)
    group = -(-Tc // tc)
    again = again_odd = 0
    if sign > 0 and group > (columns - 1) // tc:
        again = _equal_tiles(first, last - 1, tr, columns, c0, tc, tr + low, tr - 1 + high)
        begin = max(first, -((tr - 1 + high - odd * tc) // tr))
        begin = begin if odd == 0 else max(begin, -((tr + low - odd * tc) // tr))
        again_odd = max(0, last - 1 - begin + 1)
        start = last if last >= first else tiles
    else:
        start = first
    # the last step, or all of them, one by one
    more, more_odd = _followed(start, R, tr, columns, c0, tc, low, high, sign, odd, group)
    again, again_odd = again + more, again_odd + more_odd
    alone = _equal_tiles(first, last, tr, columns, c0, tc, low, tr - 1 + high)
    alone_odd = _alone_in_odd(first, last, tr, columns, tc, low, high, sign, odd)
    a, b = row_span(tiles - 1, R, tr, columns, c0, tc, low, high)
    if a == b:
        alone += 1
        alone_odd += 1 if a == odd else 0
    final = tiles - 1
    if b < a:
        final = last
    if last < first:
        first = final
    ends = ends_odd = 0
    if 0 <= first <= final < tiles:
        c, d = row_span(first, R, tr, columns, c0, tc, low, high)
        a, b = row_span(final, R, tr, columns, c0, tc, low, high)
        short = _short_group(columns // tc, group, sign)
        alike = sign < 0 and d == a and (c + short) // group == (b + short) // group
        if d >= c and b >= a and ((sign > 0 and c == b) or alike):
            ends = 1
            ends_odd = 1 if (b if sign > 0 else a) == odd else 0
    return (
        (again - again_odd) * 1.0, again_odd * 1.0, (alone - alone_odd) * 1.0, alone_odd * 1.0,
        (ends - ends_odd) * 1.0, ends_odd * 1.0,
    )  # fmt: skip


def band_most(R, tr, C, tc, lo, hi, sign):
    """Return the tiles of columns in the tile of rows that has most of them.

    Between its corners the count is monotone, or periodic in few tiles.
    """
    check_lengths(R, C, lo, hi)
    R, tr, C, tc, lo, hi, sign = int(R), int(tr), int(C), int(tc), int(lo), int(hi), int(sign)
    if tr < 1 or tc < 1 or R < 1 or C < 1:
        return 0.0
    columns, c0, low, high = upright(C, tc, lo, hi, sign)
    tr = min(tr, R)
    tiles = -(-R // tr)
    turn, leave = -((high - columns) // tr) - 1, (c0 - low) // tr + 1
    first, last = -((high - 1 - c0) // tr) - 1, (columns - 1 - low) // tr
    best = row_tiles(0, R, tr, columns, c0, tc, low, high)
    for corner in (turn, leave, first, last, tiles - 1):
        for i in range(max(0, corner - 1), min(tiles, corner + 2)):
            best = max(best, row_tiles(i, R, tr, columns, c0, tc, low, high))
    start = max(0, leave, first)
    for i in range(start, min(tiles, turn, last + 1, start + tc)):
        best = max(best, row_tiles(i, R, tr, columns, c0, tc, low, high))
    return best * 1.0


def _held_sum(count, step, start, size):
    """Return the sum of step*i + start over i = 0 .. count-1, each held to 0 .. size."""
    low = min(max(-(start // step), 0), count)  # from here on above 0
    high = min(max(-((start - size) // step), low), count)  # from here on at size
    middle = high - low
    return step * ((low + high - 1) * middle // 2) + start * middle + (count - high) * size


def _spaced(size, begin, step, rows, other_step, columns):
    """Return how many of 0 .. size-1 are begin + step*r + other_step*c for one of *rows* and *columns*, each counted once.

    With g the steps' greatest common divisor, row + other_step/g and column - step/g give the same again: of those that do so
    only the last column counts.
    """
    a, b = step, other_step
    while b > 0:
        a, b = b, a % b
    again, before = other_step // a, step // a
    if begin >= 0 and begin + step * (rows - 1) + other_step * (columns - 1) < size:
        return rows * columns - max(0, rows - again) * max(0, columns - before)
    total = 0
    for row in range(rows):
        first = begin + step * row
        low = max(0 if row < again else max(0, columns - before), -(first // other_step))
        high = min(columns - 1, (size - 1 - first) // other_step)
        total += max(0, high - low + 1)
    return total


def _spaced_sum(size, begin, step, rows, other_step, columns, stride, tiles):
    """Return the sum of :func:`_spaced` over *tiles* tiles, the next *stride* further on; those inside are all alike."""
    total = 0
    end = step * (rows - 1) + other_step * (columns - 1)
    first = min(max(-(begin // stride), 0), tiles)  # from here on above 0
    last = min((size - 1 - end - begin) // stride, tiles - 1)  # up to here all inside
    if last >= first:
        total += (last - first + 1) * _spaced(size, begin + stride * first, step, rows, other_step, columns)
    for tile in range(tiles):
        if tile < first or tile > last:
            if begin + stride * tile >= size:
                break
            total += _spaced(size, begin + stride * tile, step, rows, other_step, columns)
    return total


def _rows_of(R, tr, part):
    """Return the rows of a tile and the number of such tiles: of the whole ones, or of the last one."""
    if part == 0:
        return min(tr, R), (R - 1) // tr
    return R - (R - 1) // tr * tr, 1


def _window_sum_at(size, start, step, R, tr, other_step, columns):
    """Return the elements that all tiles of rows touch together with one tile of *columns*, which begins at *start*."""
    total = 0
    for part in range(2):
        rows, tiles = _rows_of(R, tr, part)
        first = start + (0 if part == 0 else step * ((R - 1) // tr * tr))
        wide = step * (rows - 1) + 1
        pieces, length = 1, wide + other_step * (columns - 1)
        if step == 1 and other_step > wide:
            pieces, length = columns, wide
        elif step > 1:  # with gaps between its elements
            total += _spaced_sum(size, first, step, rows, other_step, columns, step * tr, tiles)
            pieces = 0
        for piece in range(pieces):
            begin = first + other_step * piece
            total += _held_sum(tiles, step * tr, begin + length, size)
            total -= _held_sum(tiles, step * tr, begin, size)
    return total


def window_sum(size, start, step, R, tr, other_step, C, tc):
    """Return the elements that tiles of an index start + step*r + other_step*c touch in 0 .. size-1, over all pairs of tiles.

    >>> window_sum(10, 0, 1, 8, 4, 1, 3, 3)  # two tiles of four with windows of three: 0..5 and 4..9
    12.0
    """
    check_lengths(max(R, size), C, start, step * other_step)
    size, start, R, tr, C, tc = int(size), int(start), int(R), int(tr), int(C), int(tc)
    step, other_step = int(step), int(other_step)
    if tr < 1 or tc < 1 or R < 1 or C < 1 or step < 1 or other_step < 1:
        return 0.0
    if step > other_step or (
        step == other_step and -(-C // tc) > -(-R // tr)
    ):  # the larger step, or fewer tiles, outside
        step, R, tr, other_step, C, tc = other_step, C, tc, step, R, tr
    number, wide = -(-C // tc), other_step * tc
    low = min(max(-(start // wide), 0), C // tc)  # from here on above 0
    room = (size - 1 - start - step * (R - 1)) // other_step
    high = min(max((room + 1) // tc, low), C // tc)  # up to here all inside: these are alike
    total = 0
    if high > low:
        for part in range(2):
            rows, tiles = _rows_of(R, tr, part)
            total += (high - low) * tiles * _spaced(size, start + wide * low, step, rows, other_step, tc)
    end = min(number, max(-((start - size) // wide), high))  # from here on all outside
    for j in range(low):
        total += _window_sum_at(size, start + wide * j, step, R, tr, other_step, tc)
    for j in range(high, end):
        columns = min(C, (j + 1) * tc) - j * tc
        total += _window_sum_at(size, start + wide * j, step, R, tr, other_step, columns)
    return total * 1.0


def window_most(size, start, step, R, tr, other_step, C, tc):
    """Return the elements of 0 .. size-1 that the tile of an index touches which touches most.

    Arguments as of :func:`window_sum`. A tile before the first that begins inside may have more, if there are gaps in it; of
    more than 64 such tiles the nearest are looked at.

    >>> window_most(10, -2, 1, 8, 4, 1, 3, 3)  # two tiles of four with windows of three: -2..3 and 2..7
    6.0
    """
    check_lengths(max(R, size), C, start, step * other_step)
    size, start, R, tr, C, tc = int(size), int(start), int(R), int(tr), int(C), int(tc)
    step, other_step = int(step), int(other_step)
    if tr < 1 or tc < 1 or R < 1 or C < 1 or step < 1 or other_step < 1:
        return 0.0
    if -(-C // tc) > -(-R // tr):  # fewer tiles outside
        step, R, tr, other_step, C, tc = other_step, C, tc, step, R, tr
    best, last = 0, (R - 1) // tr
    for j in range(-(-C // tc)):
        columns = min(C, (j + 1) * tc) - j * tc
        begin, stride = start + other_step * j * tc, step * tr
        inside = min(max(-(begin // stride), 0), last)
        reach = step * (tr - 1) + other_step * (columns - 1)
        first = max(-((begin + reach) // stride), 0, inside - 64)  # the first tile that ends inside
        for i in range(min(first, inside), inside + 2):
            i = i if i <= inside else last
            rows = min(R, (i + 1) * tr) - i * tr
            best = max(best, _spaced(size, begin + stride * i, step, rows, other_step, columns))
    return best * 1.0
