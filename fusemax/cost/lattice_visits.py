"""Tiles under a region visited one by one: which elements come to a place, and how often.

As :mod:`fusemax.cost.visits` does under a band. These functions also stand, as text after those of
:mod:`fusemax.cost.lattice`, in the code that :mod:`fusemax.cost.lower` generates: no classes, numbers only, and lists of
numbers.
"""

from fusemax.cost.lattice import _span, _whole_numbers
from fusemax.cost.visits import VISITS, _indices, _next, _outermost_once


def _write_box(numbers, starts, ends, base, lows, highs):
    """Write to *lows* and *highs* the values of each axis in the stretches from *base* on."""
    first = 10 + 5 * numbers[7] + 4 * numbers[8]
    for axis in range(numbers[3]):
        at = first + 3 * axis
        root, inner, most = base + numbers[at], numbers[at + 1], numbers[at + 2]
        low, high = starts[root] // inner, (ends[root] - 1) // inner
        same = low // most == high // most
        lows[axis], highs[axis] = (low % most, high % most) if same else (0, most - 1)


def _there(numbers, starts, ends, base):
    """Return the words of the stretches from *base* on, but for roots of a window.

    A root that runs over a tile of another one ends where that ends.
    """
    cells, roots, tile = 1, numbers[7], numbers[6]
    for root in range(roots):
        at = 10 + 5 * root
        if numbers[at + 2] > 0 and numbers[at + 1] == 0:
            cells *= _indices(starts[base + root], ends[base + root], numbers[at + 2], numbers[at + 3])
    for root in range(roots):
        at, other = 10 + 5 * root, base + numbers[11 + 5 * root] - 1
        start, end, span, most = starts[base + root], ends[base + root], numbers[at + 2], numbers[at + 3]
        if span > 0 and other >= base:
            first, last = starts[other] // tile, (ends[other] - 1) // tile
            rest = min(tile, numbers[10 + 5 * (other - base)] - last * tile)
            short = _indices(start, min(end, rest), span, most) if rest > start else 0
            cells = cells * ((last - first) * _indices(start, end, span, most) + short) // (last - first + 1)
    return cells


def _number(numbers, starts, base):
    """Return a number of the tile in the stretches from *base* on, among those that the tensor has but for windows."""
    key = 0
    for root in range(numbers[7]):
        at = 10 + 5 * root
        span = numbers[at + 2]
        if span > 0 and numbers[at + 1] >= 0:
            key = key * (numbers[at] // span + 1) + starts[base + root] // span % numbers[at + 3]
    return key


def _add_run(runs, key, from_, to):
    """Add the elements from *from_* to *to* (not included) with *key* beside them to *runs*, which do not meet.

    Return how many of them are new.
    """
    at, known = 0, 0
    while at < len(runs):
        if runs[at] == key and runs[at + 1] <= to and runs[at + 2] >= from_:
            known += runs[at + 2] - runs[at + 1]
            from_, to = min(from_, runs[at + 1]), max(to, runs[at + 2])
            last = len(runs) - 3
            for n in range(3):
                runs[at + n] = runs[last + n]
            for _ in range(3):
                runs.pop()
            at = 0
        else:
            at += 3
    runs.append(key)
    runs.append(from_)
    runs.append(to)
    return to - from_ - known


def _add_window(numbers, at, starts, ends, base, found, left):
    """Add to *found* what the window whose numbers begin *at* has in the stretches from *base* on: from and to, in turns.

    Return the steps *left*.

    Roots whose steps leave no gaps make one run together; the others are gone through value by value. Nothing where all of it
    lies outside of the tensor.
    """
    roots = numbers[7]
    size, first, length = numbers[10 + 5 * roots + 4 * numbers[8] + 3 * numbers[3]], numbers[at], 1
    steps, many, apart = [0] * roots, [0] * roots, 1
    for root in range(roots):
        span, most = numbers[12 + 5 * root], numbers[13 + 5 * root]
        if numbers[11 + 5 * root] < 0:
            low, high = starts[base + root] // span, (ends[base + root] - 1) // span
            same = low // most == high // most
            low, high = (low % most, high % most) if same else (0, most - 1)
            step = numbers[at + 1 + root]
            first += step * (low if step > 0 else high)
            steps[root], many[root] = max(step, -step), high - low + 1
    merged = True
    while merged:
        merged = False
        for root in range(roots):
            if many[root] > 0 and (steps[root] <= length or many[root] == 1):
                length += steps[root] * (many[root] - 1)
                many[root], merged = 0, True
    for root in range(roots):
        apart = min(VISITS + 1, apart * max(1, many[root]))
    left -= apart
    if left < 0:
        return left
    for number in range(apart):
        rest, from_ = number, first
        for root in range(roots):
            if many[root] > 0:
                from_ += steps[root] * (rest % many[root])
                rest //= many[root]
        to = min(size, from_ + length)
        from_ = max(0, from_)
        if to > from_:
            found.append(from_)
            found.append(to)
    return left


def _visited_inside(numbers, rows, left):
    """Return the words moved in all visits, and how many of *left* steps are left: below zero if there are more."""
    cores, own, axes, last = numbers[1], numbers[2], numbers[3], max(numbers[4], 0)
    roots, loops = numbers[7], numbers[8]
    starts, ends = [0] * (roots * (loops + 1)), [0] * (roots * (loops + 1))
    for root in range(roots):
        ends[root] = numbers[10 + 5 * root]
    lows, highs = [0] * axes, [0] * axes
    place, before, flags = [0] * (loops + 1), [-1] * (loops + 1), 10 + 5 * roots
    seen, runs, found = {0}, [0] * 0, [0] * 0
    moved, held, tasks, depth, deeper = 0.0, 0, 0, 0, True
    while depth >= 0:
        left -= 1
        if left < 0:
            return 0.0, left
        base = roots * depth
        if deeper:
            _write_box(numbers, starts, ends, base, lows, highs)
            a, b = _span(rows, axes, lows, highs, last)
            if b < a:
                if depth > 0:
                    place[depth - 1] += 1
                depth, deeper = depth - 1, False
                continue
        if depth == loops and numbers[5] > 0:
            found.clear()
            for window in range(numbers[5]):
                at = 11 + 5 * roots + 4 * loops + 3 * axes + (roots + 1) * window
                left = _add_window(numbers, at, starts, ends, base, found, left)
            left -= len(found) * (len(found) + len(runs)) // 64  # each is held against all that are there
            if left < 0:
                return 0.0, left
        cells = _there(numbers, starts, ends, base) if depth == loops else 0
        if cells > 0 and (numbers[5] == 0 or len(found) > 0):
            stays, another = tasks > 0, False
            for k in range(own):
                stays = stays and (place[k] == before[k] or numbers[flags + 4 * k + 2] == 0)
                another = another or (place[k] != before[k] and numbers[flags + 4 * k + 3] > 0)
                before[k] = place[k]
            if stays:
                tasks += 1 if another else 0
            else:
                moved += held * 1.0 * min(cores, tasks)
                tasks, held = 1, 0
                seen.clear()
                runs.clear()
            key = _number(numbers, starts, base)
            if numbers[5] > 0:
                for at in range(0, len(found), 2):
                    held += cells * _add_run(runs, key, found[at], found[at + 1])
            elif key not in seen:
                seen.add(key)
                held += cells
        depth, deeper = _next(numbers, starts, ends, place, depth)
    return moved + held * 1.0 * min(cores, tasks), left


def region_moved(numbers):
    """Return the words of all tiles that come to a place, as far as a region touches them; each stays while it is wanted.

    As :func:`fusemax.cost.visits.tiles_moved`, under a region. *numbers* begin with the value that stands where there are more
    than ``VISITS`` steps; how many cores have a place of their own; how many of the loops are around the tile (the others are
    those that touch it); how many axes the region has and which one is its last; how many windows the tensor has; the tile of
    a root over which another one runs; how many roots and loops there are; another number. Then come, for each root: its size;
    the root over whose tile it runs, plus one (0: none; -1: windows run over it); how many elements one index of the tensor
    spans (0: it does not carry this root); how many such indices there are in a row; 1 if iterations of a loop over it are all
    alike. For each loop: its root, the elements of one iteration, 1 if the tensor carries it, 1 if it is spread over cores.
    For each axis: its root, the elements of one value, how many values there are in a row. For windows: the elements of their
    dimension; where each starts, and its step along each root. Then the rows.
    """
    whole = _whole_numbers([number if n > 0 else 0.0 for n, number in enumerate(numbers)])
    if len(whole) == 0:
        return numbers[0] * 1.0
    roots = whole[7]
    for root in range(roots):
        if whole[10 + 5 * root] < 1:
            return 0.0  # a ragged end that is not there
    for loop in range(whole[8]):
        if whole[11 + 5 * roots + 4 * loop] < 1:
            return numbers[0] * 1.0
    window = 1 + (1 + roots) * whole[5] if whole[5] > 0 else 0
    rows = whole[10 + 5 * roots + 4 * whole[8] + 3 * whole[3] + window :]
    often, left, total = _outermost_once(whole), VISITS, 0.0
    alike = [r for r in range(roots) if whole[14 + 5 * r] > 0 and whole[10 + 5 * r] > 3]
    for choice in range(2 ** len(alike)):
        # from two iterations on, linear in the number of those that are alike: from two and three of them
        weight = 1.0
        for n in range(len(alike)):
            size, third = numbers[10 + 5 * alike[n]], (choice >> n) % 2
            weight *= size - 2.0 if third else 3.0 - size
            whole[10 + 5 * alike[n]] = 2 + third
        words, left = _visited_inside(whole, rows, left)
        if left < 0:
            return numbers[0] * 1.0
        total += weight * words
    return total * often
