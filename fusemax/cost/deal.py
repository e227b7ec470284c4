"""Tasks dealt to cores: what the busiest core does when each task goes to the core that is free first.

Tasks come in kinds: so many of a kind, each of the same weight (cycles). The heaviest kind is dealt first. The busiest core is
the one with the largest load. Tasks under a band (:mod:`fusemax.cost.band`) are each of their own weight.

These functions also stand, as text after those of :mod:`fusemax.cost.band`, in the code that :mod:`fusemax.cost.lower`
generates: no classes, numbers only.
"""

from fusemax.cost.band import band_kinds, check_lengths, row_span, upright


def _largest(values):
    """Return the place of the largest of *values*, the first of equals."""
    found = 0
    for place in range(len(values)):
        found = place if values[place] > values[found] else found
    return found


def _heaviest_left(counts, weights):
    """Return the kind of the largest weight of which any are left; -1 for none."""
    found = -1
    for kind in range(len(counts)):
        if counts[kind] > 0.0 and (found < 0 or weights[kind] > weights[found]):
            found = kind
    return found


def busiest_core(cores, n0, w0, n1, w1, n2, w2, n3, w3, n4, w4, n5, w5, n6, w6, n7, w7):
    """Return how many tasks of each of eight kinds the busiest core does; kind k has nk tasks of weight wk.

    Cores with equal loads and tasks are one group, so that the work does not grow with the cores or the tasks.

    >>> busiest_core(3.0, 4.0, 10.0, 1.0, 8.0, *[0.0, 0.0] * 6)[:2]  # five tasks on three cores: two rounds of ten
    (2.0, 0.0)
    >>> busiest_core(2.0, 3.0, 10.0, 5.0, 1.0, *[0.0, 0.0] * 6)[:2]  # the small ones go where only one large one is
    (2.0, 0.0)
    """
    counts = [n0, n1, n2, n3, n4, n5, n6, n7]
    weights = [w0, w1, w2, w3, w4, w5, w6, w7]
    loads = [0.0]  # of each group of cores: the load, how many cores, and their tasks of each kind
    members = [max(cores // 1.0, 1.0)]
    given = [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    for _ in range(8):
        kind = _heaviest_left(counts, weights)
        if kind < 0:
            break
        left, weight = counts[kind], weights[kind]
        counts[kind] = 0.0
        if not (weight > 1e-300):  # nothing to do, or no number: dealt in rounds all the same
            weight = 1e-300
        weight = min(weight, 1e300)
        while left > 0.0:
            g, most, everybody = 0, 0, 0.0
            for other in range(len(loads)):
                everybody += members[other]
                if loads[other] < loads[g]:
                    g = other
                if loads[other] > loads[most]:
                    most = other
            if left >= everybody and loads[most] - loads[g] < weight:
                rounds = left // everybody  # each core is given one a round, in turn
                for other in range(len(loads)):
                    loads[other] += rounds * weight
                    given[other][kind] += rounds
                left -= rounds * everybody
                continue
            if left < members[g]:
                members.append(members[g] - left)
                loads.append(loads[g])
                given.append([given[g][k] for k in range(8)])
                members[g] = left
            ahead = loads[most]  # of the group that is next
            for other in range(len(loads)):
                if other != g and loads[other] < ahead:
                    ahead = loads[other]
            times = max(1.0, min((ahead - loads[g]) // weight, left // members[g]))
            loads[g] += times * weight
            given[g][kind] += times
            left -= times * members[g]
    found = given[_largest(loads)]
    return found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7]


def _free_first(loads, names, load):
    """Give the core that is free first *load* more, and return its name; a heap with the smallest load, and name, first."""
    name, place, child = names[0], 0, 1
    load = loads[0] + load
    while child < len(loads):
        other = child + 1
        if other < len(loads) and (
            loads[other] < loads[child] or (loads[other] == loads[child] and names[other] < names[child])
        ):
            child = other
        if loads[child] > load or (loads[child] == load and names[child] > name):
            break
        loads[place], names[place] = loads[child], names[child]
        place, child = child, 2 * child + 1
    loads[place], names[place] = load, name
    return name


def _heaviest_first(weights):
    """Return the places in *weights*, the largest first, equal ones in their order (merge sort)."""
    order = [place for place in range(len(weights))]
    width = 1
    while width < len(order):
        merged = [0 for _ in range(0)]
        for start in range(0, len(order), 2 * width):
            left, right = start, min(start + width, len(order))
            middle, end = right, min(start + 2 * width, len(order))
            while left < middle or right < end:
                if right >= end or (left < middle and weights[order[left]] >= weights[order[right]]):
                    merged.append(order[left])
                    left += 1
                else:
                    merged.append(order[right])
                    right += 1
        order = merged
        width *= 2
    return order


def _pairs_of_task(i, j, R, Tr, tr, C, c0, Tc, tc, lo, hi, odd):
    """Return the touched pairs of a task by kind, as ``band_kinds`` does: the i-th of *Tr* rows, the j-th of *Tc* columns."""
    rows, first_column, last_column = -(-R // tr), j * (Tc // tc), (j + 1) * (Tc // tc) - 1
    whole, odds, in_last, corner = 0, 0, 0, 0
    for row in range(i * (Tr // tr), min((i + 1) * (Tr // tr), rows)):
        first, last = row_span(row, R, tr, C, c0, tc, lo, hi)
        first, last = max(first, first_column), min(last, last_column)
        has_odd = 1 if first <= odd <= last else 0
        if row == rows - 1:
            in_last += max(0, last - first + 1) - has_odd
            corner += has_odd
        else:
            whole += max(0, last - first + 1) - has_odd
            odds += has_odd
    return whole * 1.0, odds * 1.0, in_last * 1.0, corner * 1.0


def _tasks_of_band(R, Tr, tr, columns, c0, Tc, tc, lo, hi, odd, cycles):
    """Return the tasks with work, eight numbers each (its kind, its pairs by kind), and their cycles.

    *odd* is the column that stands in the odd tile; *cycles* are those of a task, then of a pair, by kind.
    """
    found, weights = [0.0] * 0, [0.0] * 0
    rounds_of_rows, rounds_of_columns = -(-R // Tr), -(-columns // Tc)
    for i in range(rounds_of_rows):
        for j in range(rounds_of_columns):
            pairs = _pairs_of_task(i, j, R, Tr, tr, columns, c0, Tc, tc, lo, hi, odd // tc)
            kind = 2 * (1 if i == rounds_of_rows - 1 else 0) + (1 if j == odd // Tc else 0)
            weight = cycles[kind]
            for k in range(4):
                weight += pairs[k] * cycles[4 + k]
            if weight == 0.0:
                continue
            weights.append(weight)
            for k in range(4):
                found.append(1.0 if k == kind else 0.0)
            for k in range(4):
                found.append(pairs[k])
    return found, weights


def _add_dealt(in_order, cores, times, after, found, weights, result):
    """Add to *result* what the busiest core does of all tasks, each *times* in turn: *after* of a task follow each other."""
    ready = min(cores, times * len(weights))
    loads, names = [0.0] * ready, [n for n in range(ready)]
    given = [[0.0] * 8 for _ in range(ready)]
    order = [n for n in range(len(weights))] if in_order else _heaviest_first(weights)
    for _turn in range(times // after if in_order else 1):
        for n in order:
            for _ in range(after if in_order else times):
                name = _free_first(loads, names, weights[n])
                for k in range(8):
                    given[name][k] += found[8 * n + k]
    busiest = names[_largest(loads)]
    for k in range(8):
        result[k] += given[busiest][k]


def dealt_tiles(
    in_order, before, after, cores, R, Tr, tr, C, Tc, tc, lo, hi, sign, t0, t1, t2, t3, p0, p1, p2, p3
):
    """Return what the busiest core does when tasks under a band are dealt, each to the core that is free first.

    A task is a tile of *Tr* rows and *Tc* columns, made of tiles of *tr* and *tc*; all come *before* times in turn, each
    *after* times. Four numbers are the tasks of each kind (whole or last rows, whole or odd columns), four the touched pairs
    of tiles by kind; *t0* to *t3* and *p0* to *p3* are the cycles of one. The heaviest task goes first, or they go *in_order*.
    With more than 2048 tasks, and 32 for each core, only the last ones are dealt one by one, the others evenly; when the
    heaviest go first the light ones at the end even the loads out: then an even share, or the heaviest task.
    """
    check_lengths(R, C, lo, hi)
    none = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    if not (
        tr >= 1.0 and tc >= 1.0 and tr <= Tr < 1e15 and tc <= Tc < 1e15
    ):  # no tiles: refused by name afterwards
        return none
    before, after, cores, sign = int(before), int(after), int(cores), int(sign)
    R, Tr, tr, C, Tc, tc, lo, hi = int(R), int(Tr), int(tr), int(C), int(Tc), int(tc), int(lo), int(hi)
    if R < 1 or C < 1 or cores < 1:
        return none
    columns, c0, low, high = upright(C, Tc, lo, hi, sign)
    odd = c0 if sign < 0 else C - 1
    rounds_of_rows, rounds_of_columns = -(-R // Tr), -(-columns // Tc)
    if (
        rounds_of_rows * (Tr // tr) * rounds_of_columns > 100000
    ):  # too many to look at one by one: an even share
        a, b, c, d = band_kinds(R, tr, C, tc, lo, hi, sign)
        each = before * after * 1.0 / cores
        rows, last = (rounds_of_rows - 1) * each, (rounds_of_columns - 1) * 1.0
        return rows * last, rows, each * last, each, each * a, each * b, each * c, each * d
    cycles = [t0, t1, t2, t3, p0, p1, p2, p3]
    found, weights = _tasks_of_band(R, Tr, tr, columns, c0, Tc, tc, low, high, odd, cycles)
    tasks = len(weights)
    if tasks == 0:
        return none
    times, even = before * after, 0.0
    few = max(32 * cores, 2048)
    if before * after * tasks > few:
        times = 0 if in_order == 0.0 else min(before, -(-few // (after * tasks))) * after
        even = (before * after - times) * 1.0 / cores
    result, share, heaviest = [0.0] * 8, 0.0, _largest(weights)
    for n in range(tasks):
        share += even * weights[n]
        for k in range(8):
            result[k] += found[8 * n + k]
    result = [even * total for total in result]
    if times == 0 and share < weights[heaviest]:
        result = [found[8 * heaviest + k] for k in range(8)]
    elif times > 0:
        _add_dealt(in_order > 0.0, cores, times, after, found, weights, result)
    return result[0], result[1], result[2], result[3], result[4], result[5], result[6], result[7]
