"""Tiles visited one by one, where no closed form is exact: loops over rows and columns of a band that alternate, lone last
tiles, tiles that several cores want.

A root is a stretch of elements from 0 on; a loop cuts the stretch that it is given into pieces of its *inner* size. The band
(:mod:`fusemax.cost.band`) says where there is something to do.

These functions also stand, as text after those of :mod:`fusemax.cost.deal`, in the code that :mod:`fusemax.cost.lower`
generates: no classes, numbers only, and lists of numbers.
"""

VISITS = 20000


def _is_touched(rows_from, rows_to, from_, to, lo, hi, sign):
    """Return whether rows, and columns *from_* .. *to*, their ends not included, hold a point of the band."""
    if sign > 0:
        return max(lo, from_ - rows_to + 1) <= min(hi, to - 1 - rows_from)
    return max(lo, from_ + rows_from) <= min(hi, to + rows_to - 2)


def _first_touched(rows_from, rows_to, from_, lo, sign, tile):
    """Return the first column from *from_* on that the band touches in the rows, at the beginning of its tile."""
    first = rows_from + lo if sign > 0 else lo - rows_to + 1
    return max(from_, first // tile * tile)


def _end_touched(rows_from, rows_to, to, hi, sign, tile):
    """Return the column after the last one up to *to* that the band touches in the rows, at the end of its tile."""
    last = rows_to - 1 + hi if sign > 0 else hi - rows_from
    return min(to, (last // tile + 1) * tile)


def _indices(start, end, span, most):
    """Return how many indices of *span* elements, of *most* in a row, lie from *start* to *end*."""
    return min(most, (end - 1) // span - start // span + 1) if end > start else 0


def _held(numbers, starts, ends, base, first, end):
    """Return the words of a tile: along the columns of the band from *first* to *end*, along all else what is there."""
    lo, hi, sign, row = numbers[2], numbers[3], numbers[4], numbers[5]
    column, roots, total = numbers[6], numbers[7], 1
    for root in range(roots):
        at = 10 + 5 * root
        if numbers[at + 2] > 0 and root != row and root != column:
            total *= _indices(starts[base + root], ends[base + root], numbers[at + 2], numbers[at + 3])
    if row < 0:
        return total
    r, c = 10 + 5 * row, 10 + 5 * column
    if numbers[r + 2] == 0:
        return total * (_indices(first, end, numbers[c + 2], numbers[c + 3]) if numbers[c + 2] > 0 else 1)
    pairs = 0
    for begin in range(starts[base + row], ends[base + row], numbers[r + 1]):
        stop = min(begin + numbers[r + 1], ends[base + row])
        if _is_touched(begin, stop, starts[base + column], ends[base + column], lo, hi, sign):
            from_ = _first_touched(begin, stop, starts[base + column], lo, sign, numbers[c + 1])
            to = _end_touched(begin, stop, ends[base + column], hi, sign, numbers[c + 1])
            rows = _indices(begin, stop, numbers[r + 2], numbers[r + 3])
            pairs += rows * (_indices(from_, to, numbers[c + 2], numbers[c + 3]) if numbers[c + 2] > 0 else 1)
    return total * pairs


def _next(numbers, starts, ends, place, depth):
    """Go on from *depth*: to the next iteration of its loop, or out of it. Return the new depth, and whether it is deeper."""
    roots, loops = numbers[7], numbers[8]
    base, at = roots * depth, 10 + 5 * roots + 4 * depth
    if depth < loops:
        root = numbers[at]
        start = starts[base + root] + place[depth] * numbers[at + 1]
        if start < ends[base + root]:
            for other in range(roots):
                starts[base + roots + other] = starts[base + other]
                ends[base + roots + other] = ends[base + other]
            starts[base + roots + root] = start
            ends[base + roots + root] = min(start + numbers[at + 1], ends[base + root])
            return depth + 1, True
        place[depth] = 0
    if depth > 0:
        place[depth - 1] += 1
    return depth - 1, False


def _is_touched_from(numbers, starts, ends, base):
    """Return whether the rows and columns from *base* on hold a point of the band."""
    row, column = base + numbers[5], base + numbers[6]
    return _is_touched(
        starts[row], ends[row], starts[column], ends[column], numbers[2], numbers[3], numbers[4]
    )


def _inner_columns(numbers, starts, ends, base):
    """Return the first and the last iteration of the innermost loop, one over columns, that the band touches."""
    lo, hi, sign, row, column = numbers[2], numbers[3], numbers[4], base + numbers[5], base + numbers[6]
    inner = numbers[10 + 5 * numbers[7] + 4 * (numbers[8] - 1) + 1]
    first = starts[row] + lo if sign > 0 else lo - ends[row] + 1
    last = ends[row] - 1 + hi if sign > 0 else hi - starts[row]
    first, last = max(first, starts[column]) - starts[column], min(last, ends[column] - 1) - starts[column]
    return first // inner, last // inner


def _has_columns_inside(numbers):
    """Return whether the innermost loop runs over columns that the tensor carries, without rows, in whole indices of it."""
    row, column, roots, loops = numbers[5], numbers[6], numbers[7], numbers[8]
    if row < 0 or loops == 0 or numbers[10 + 5 * row + 2] > 0:
        return False
    at, span = 10 + 5 * roots + 4 * (loops - 1), numbers[10 + 5 * column + 2]
    carried = numbers[at] == column and numbers[at + 2] > 0 and numbers[at + 3] == 0
    return carried and span > 0 and numbers[at + 1] % span == 0


def _visited(numbers, left):
    """Return the words moved in all visits, and how many of *left* steps are left: below zero if there are more."""
    cores, lo, hi, sign = numbers[1], numbers[2], numbers[3], numbers[4]
    row, column, roots, loops = numbers[5], numbers[6], numbers[7], numbers[8]
    starts, ends = [0] * (roots * (loops + 1)), [0] * (roots * (loops + 1))
    for root in range(roots):
        ends[root] = numbers[10 + 5 * root]
    place, before, own = [0] * (loops + 1), [-1] * (loops + 1), 10 + 5 * roots
    many = _has_columns_inside(numbers)
    moved, held, first, end, tasks, base, depth, deeper = 0.0, 0, 0, 0, 0, 0, 0, True
    while depth >= 0:
        left -= 1
        if left < 0:
            return 0.0, left
        base = roots * depth
        if deeper and row >= 0 and not _is_touched_from(numbers, starts, ends, base):
            if depth > 0:
                place[depth - 1] += 1
            depth, deeper = depth - 1, False
            continue
        if many and depth == loops - 1:  # all tiles between the first and the last are whole, and wanted once
            one, other = _inner_columns(numbers, starts, ends, base)
            if place[depth] < one:
                place[depth] = one
            elif place[depth] > other:
                place[depth] = ends[base + column]
            elif place[depth] == one + 1 and other > one + 2:
                moved += held * 1.0 * min(cores, tasks)
                inner = numbers[own + 4 * depth + 1]
                end = starts[base + column] + other * inner
                first, tasks = end - inner, 1
                held = _held(numbers, starts, ends, base, first, end)
                moved += held * 1.0 * (other - one - 2)
                for k in range(loops):
                    before[k] = place[k]
                before[depth] = other - 1
                place[depth] = other
        if depth == loops:
            stays, another = tasks > 0, False
            for k in range(loops):
                stays = stays and (place[k] == before[k] or numbers[own + 4 * k + 2] == 0)
                another = another or (place[k] != before[k] and numbers[own + 4 * k + 3] > 0)
                before[k] = place[k]
            from_, to = 0, 0
            if row >= 0:
                tile = numbers[10 + 5 * column + 1]
                from_ = _first_touched(
                    starts[base + row], ends[base + row], starts[base + column], lo, sign, tile
                )
                to = _end_touched(starts[base + row], ends[base + row], ends[base + column], hi, sign, tile)
            if stays:
                tasks += 1 if another else 0
                first, end = min(first, from_), max(end, to)
            else:
                moved += held * 1.0 * min(cores, tasks)
                tasks, first, end = 1, from_, to
            held = _held(numbers, starts, ends, base, first, end)
        depth, deeper = _next(numbers, starts, ends, place, depth)
    return moved + held * 1.0 * min(cores, tasks), left


def _fewest_steps(whole):
    """Return a number of steps below which no visit of all iterations ends: each leaf once, and once on the way back from it.

    Where there is a band, iterations are left out: 0.
    """
    if whole[5] >= 0:
        return 0.0
    leaves = 1.0
    for root in range(whole[7]):
        inner = whole[10 + 5 * root]
        for loop in range(whole[8]):
            at = 10 + 5 * whole[7] + 4 * loop
            if whole[at] == root:
                inner = whole[at + 1]
        leaves *= max(1, -(-whole[10 + 5 * root] // inner)) if inner > 0 else 1
    return 2.0 * leaves - 1.0


def _outermost_once(whole):
    """Leave one iteration of the outermost loops that are all alike, each with tiles of its own; return how many there are."""
    roots, often = whole[7], 1.0
    for loop in range(whole[8]):
        at = 10 + 5 * roots + 4 * loop
        root = 10 + 5 * whole[at]
        if whole[at + 2] == 0 or whole[root + 4] == 0 or whole[root] < 1:
            break
        often *= whole[root]
        whole[root] = 1
    return often


def tiles_moved(numbers):
    """Return the words of all tiles that come to a place, each of which stays while it is wanted again at once.

    *numbers* begin with the value that stands where there are more than ``VISITS`` steps; how many cores have a place of their
    own (1: all share one): a tile that tasks in a row want comes to as many; the band's lowest and highest column - row, or
    column + row, and its sign; its roots of rows and of columns (-1: none); how many roots there are and how many loops;
    how many tasks may want a tile in a row: the first number is right where that is not more than the cores, or one core is
    alone (-1: not known). Then come, for each root: its size; the tile in which it is touched; how many elements one index of
    the tensor spans (0: it does not carry this root); how many such indices there are in a row; 1 if a loop over it cuts it
    into single elements or not at all, so that all iterations are alike. For each loop, outermost first: its root, the
    elements of one iteration, 1 if the tensor carries it, 1 if it is spread over cores.

    >>> tiles_moved([0, 1, 0, 0, 1, -1, -1, 1, 1, -1, 7, 7, 1, 7, 0, 0, 3, 1, 0])  # 7 elements, three at a time
    7.0
    """
    for number in numbers[1:]:
        if not -1e15 < number < 1e15:
            return numbers[0] * 1.0
    if numbers[9] >= 0 and (numbers[1] <= 1 or numbers[9] <= numbers[1]):
        return numbers[0] * 1.0
    roots = int(numbers[7])
    whole = [0] + [int(value) for value in numbers[1:]]
    for root in range(roots):
        if whole[10 + 5 * root + 1] < 1:  # a tile without elements, which is refused behind
            return numbers[0] * 1.0
    for loop in range(whole[8]):
        if whole[10 + 5 * roots + 4 * loop + 1] < 1:
            return numbers[0] * 1.0
    often, left, total = _outermost_once(whole), VISITS, 0.0
    alike = [r for r in range(roots) if whole[10 + 5 * r + 4] > 0 and whole[10 + 5 * r] > 3]
    for choice in range(2 ** len(alike)):
        # from two iterations on, linear in the number of those that are alike: from two and three of them
        weight = 1.0
        for n in range(len(alike)):
            size, third = numbers[10 + 5 * alike[n]], (choice >> n) % 2
            weight *= size - 2.0 if third else 3.0 - size
            whole[10 + 5 * alike[n]] = 2 + third
        if _fewest_steps(whole) > left:
            return numbers[0] * 1.0
        words, left = _visited(whole, left)
        if left < 0:
            return numbers[0] * 1.0
        total += weight * words
    return total * often
