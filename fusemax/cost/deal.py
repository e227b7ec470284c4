"""Tasks dealt to cores: what the busiest core does when each task goes to the core that is free first.

Tasks come in kinds: so many of a kind, each of the same weight (cycles). The heaviest kind is dealt first. Of cores with equal
loads the one that was given least lately comes first; the busiest core is the one with the largest load.

These functions also stand, as text, in the code that :mod:`fusemax.cost.lower` generates: no imports, no classes, numbers
only.
"""


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
        kind = -1
        for k in range(8):
            if counts[k] > 0.0 and (kind < 0 or weights[k] > weights[kind]):
                kind = k
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
    busiest = 0
    for g in range(len(loads)):
        if loads[g] > loads[busiest]:
            busiest = g
    found = given[busiest]
    return found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7]
