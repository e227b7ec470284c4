"""Tiles that several accesses and bodies share, visited one by one: each element is there once, whoever wants it.

As :mod:`fusemax.cost.lattice_visits`, point by point: for windows over ranks that another index has too, several windows, and
bodies under different conditions or in tiles of different sizes. These functions also stand, as text after those of that
module, in the code that :mod:`fusemax.cost.lower` generates: no classes, numbers only, and lists of numbers.
"""

from fusemax.cost.lattice import _span, _whole_numbers
from fusemax.cost.visits import VISITS, _indices, _next, _outermost_once


def _turned(numbers, at, loops, starts, ends, place, depth):
    """Go on from *depth* in the *loops* whose root and elements of one iteration begin *at*, as ``_next`` does."""
    roots = numbers[7]
    base = roots * depth
    if depth < loops:
        root, inner = numbers[at + 2 * depth], numbers[at + 2 * depth + 1]
        start = starts[base + root] + place[depth] * inner
        if start < ends[base + root]:
            for other in range(roots):
                starts[base + roots + other] = starts[base + other]
                ends[base + roots + other] = ends[base + other]
            starts[base + roots + root] = start
            ends[base + roots + root] = min(start + inner, ends[base + root])
            return depth + 1, True
        place[depth] = 0
    if depth > 0:
        place[depth - 1] += 1
    return depth - 1, False


def _add_points(numbers, at, starts, ends, base, found, left):
    """Add to *found* the elements that the access whose numbers begin *at* has in the stretches from *base* on.

    Return the steps *left*: four elements are one.
    """
    roots, dims = numbers[7], numbers[6]
    lows, many, values, total = [0] * roots, [1] * roots, [0] * roots, 1
    for root in range(roots):
        span, most = numbers[at + 2 * root], numbers[at + 2 * root + 1]
        if span > 0:
            low, high = starts[base + root] // span, (ends[base + root] - 1) // span
            same = low // most == high // most
            lows[root], many[root] = (low % most, high - low + 1) if same else (0, most)
            total = min(8 * VISITS, total * many[root])
    left -= total // 4
    if left < 0:
        return left
    sizes, first = 10 + 5 * roots + 4 * numbers[8], at + 2 * roots
    for number in range(total):
        rest, element, inside = number, 0, True
        for root in range(roots):
            values[root] = lows[root] + rest % many[root]
            rest //= many[root]
        for dim in range(dims):
            index = numbers[first + dim * (roots + 1)]
            for root in range(roots):
                index += numbers[first + dim * (roots + 1) + 1 + root] * values[root]
            inside = inside and 0 <= index < numbers[sizes + dim]
            element = element * numbers[sizes + dim] + index
        if inside:
            found.append(element)
    return left


def _add_body(numbers, at, starts, ends, base, found, left):
    """Add to *found* what the body whose numbers begin *at* touches in the stretches from *base* on; return steps *left*."""
    roots, loops, axes = numbers[7], numbers[at + 1], numbers[at + 2]
    accesses, last = numbers[at + 4], max(numbers[at + 3], 0)
    first = at + 5
    from_, box = first + 2 * loops, 3 * axes
    rows = numbers[from_ + box + accesses * (2 * roots + numbers[6] * (roots + 1)) : at + numbers[at]]
    inner, outer = [0] * (roots * (loops + 2)), [0] * (roots * (loops + 2))
    for root in range(roots):
        inner[root], outer[root] = starts[base + root], ends[base + root]
    lows, highs, place = [0] * axes, [0] * axes, [0] * (loops + 1)
    depth, deeper = 0, True
    while depth >= 0:
        left -= 1
        if left < 0:
            return left
        here = roots * depth
        if deeper and axes > 0:
            for axis in range(axes):
                root = here + numbers[from_ + 3 * axis]
                span, most = numbers[from_ + 3 * axis + 1], numbers[from_ + 3 * axis + 2]
                low, high = inner[root] // span, (outer[root] - 1) // span
                same = low // most == high // most
                lows[axis], highs[axis] = (low % most, high % most) if same else (0, most - 1)
            a, b = _span(rows, axes, lows, highs, last)
            if b < a:
                if depth > 0:
                    place[depth - 1] += 1
                depth, deeper = depth - 1, False
                continue
        if depth == loops:
            for access in range(accesses):
                one = from_ + box + access * (2 * roots + numbers[6] * (roots + 1))
                left = _add_points(numbers, one, inner, outer, here, found, left)
                if left < 0:
                    return left
        depth, deeper = _turned(numbers, first, loops, inner, outer, place, depth)
    return left


def _visited_union(numbers, left):
    """Return the words moved in all visits, and how many of *left* steps are left: below zero if there are more."""
    cores, bodies, roots, loops = numbers[1], numbers[2], numbers[7], numbers[8]
    flags, first = 10 + 5 * roots, 10 + 5 * roots + 4 * loops + numbers[6]
    starts, ends = [0] * (roots * (loops + 1)), [0] * (roots * (loops + 1))
    for root in range(roots):
        ends[root] = numbers[10 + 5 * root]
    place, before = [0] * (loops + 1), [-1] * (loops + 1)
    seen, found = {0}, [0] * 0
    moved, held, tasks, depth = 0.0, 0, 0, 0
    while depth >= 0:
        left -= 1
        if left < 0:
            return 0.0, left
        base = roots * depth
        if depth == loops:
            found.clear()
            at = first
            for _ in range(bodies):
                left = _add_body(numbers, at, starts, ends, base, found, left)
                at += numbers[at]
                if left < 0:
                    return 0.0, left
        if depth == loops and len(found) > 0:
            stays, another = tasks > 0, False
            for k in range(loops):
                stays = stays and (place[k] == before[k] or numbers[flags + 4 * k + 2] == 0)
                another = another or (place[k] != before[k] and numbers[flags + 4 * k + 3] > 0)
                before[k] = place[k]
            if stays:
                tasks += 1 if another else 0
            else:
                moved += held * 1.0 * min(cores, tasks)
                tasks = 1
                seen.clear()
            for element in found:
                seen.add(element)
            held = len(seen)
            for root in range(roots):
                at = 10 + 5 * root
                if numbers[at + 2] > 0:
                    held *= _indices(starts[base + root], ends[base + root], numbers[at + 2], numbers[at + 3])
        depth, _ = _next(numbers, starts, ends, place, depth)
    return moved + held * 1.0 * min(cores, tasks), left


def union_moved(numbers):
    """Return the words of all tiles that come to a place, each the union of what several accesses touch.

    Each stays while it is wanted, as in :func:`fusemax.cost.lattice_visits.region_moved`. *numbers* begin with the value that
    stands where there are more than ``VISITS`` steps; how many cores have a place of their own; how many bodies there are;
    three other numbers; how many dimensions of the tensor are listed; how many roots and loops there are; another number.
    Then come, for each root: its size; another number; how many elements one index of a dimension that is not listed spans
    (0: there is none) and how many such indices there are in a row; 1 if iterations of a loop over it are all alike. For each
    loop: its root, the elements of one iteration, 1 if it moves the tile, 1 if it is spread over cores. The size of each
    dimension listed. For each body: how many numbers tell it; how many loops further inside touch the tile; how many axes its
    region has, and which one is the last; how many accesses. For each of these loops: its root, the elements of one
    iteration; for each axis: its root, the elements of one value, how many there are in a row; for each access: for each root
    how many elements one value spans (0: it does not have it), and how many values there are in a row; for each dimension
    where it starts, and its step along each root. Then the rows of its region.
    """
    whole = _whole_numbers([number if n > 0 else 0.0 for n, number in enumerate(numbers)])
    if len(whole) == 0:
        return numbers[0] * 1.0
    roots, product = whole[7], 1.0
    for root in range(roots):
        if whole[10 + 5 * root] < 1:
            return 0.0  # a ragged end that is not there
    for loop in range(whole[8]):
        if whole[11 + 5 * roots + 4 * loop] < 1:
            return numbers[0] * 1.0
    for dim in range(whole[6]):
        product *= whole[10 + 5 * roots + 4 * whole[8] + dim]
    if product > 1e15:
        return numbers[0] * 1.0
    often, left, total = _outermost_once(whole), VISITS, 0.0
    alike = [r for r in range(roots) if whole[14 + 5 * r] > 0 and whole[10 + 5 * r] > 3]
    for choice in range(2 ** len(alike)):
        # from two iterations on, linear in the number of those that are alike: from two and three of them
        weight = 1.0
        for n in range(len(alike)):
            size, third = numbers[10 + 5 * alike[n]], (choice >> n) % 2
            weight *= size - 2.0 if third else 3.0 - size
            whole[10 + 5 * alike[n]] = 2 + third
        words, left = _visited_union(whole, left)
        if left < 0:
            return numbers[0] * 1.0
        total += weight * words
    return total * often
