"""The longest wait of an iteration for the one before, over all circuits of dependences, without listing them.

These functions also stand, as text, in the code that :mod:`fusemax.cost.lower` generates: no classes, numbers only, and
lists of numbers.
"""


def _longer_circuit(numbers, ratio):
    """Return the length and the span of a circuit that is longer than *ratio* for each iteration it spans; zeros if none is.

    Longest paths by Bellman and Ford: if they still grow after as many rounds as there are tasks, a circuit makes them grow.
    """
    tasks, edges = int(numbers[0]), int(numbers[1])
    far, came, grown = [0.0] * tasks, [-1] * tasks, -1
    least = 0.0
    for task in range(tasks):
        least = max(least, numbers[2 + task]) if numbers[2 + task] < 1e300 else least
    for _ in range(tasks):
        grown = -1
        for edge in range(edges):
            at = 2 + tasks + 3 * edge
            writer, reader = int(numbers[at]), int(numbers[at + 1])
            reached = far[writer] + numbers[2 + writer] - ratio * numbers[at + 2]
            if reached > far[reader] + least * 1e-9:
                far[reader], came[reader], grown = reached, edge, reader
        if grown < 0:
            return 0.0, 0.0
    for _ in range(tasks):  # walk back until certainly inside the circuit
        grown = int(numbers[2 + tasks + 3 * came[grown]])
    length, span, place = 0.0, 0.0, grown
    for _ in range(tasks):
        at = 2 + tasks + 3 * came[place]
        place = int(numbers[at])
        length += numbers[2 + place]
        span += numbers[at + 2]
        if place == grown:
            break
    return length, span


def cycle_ratio(numbers):
    """Return the largest of all circuits' lengths, each divided by the iterations that it spans.

    Lawler's maximum ratio of a cycle (Combinatorial Optimization, 1976, section 3.13): while some circuit is longer than the
    ratio, take its own. *numbers* begin with how many tasks and edges there are; then come the length of each task, and for
    each edge its writer, its reader, and how many iterations later the reader is.

    >>> cycle_ratio([3, 4, 2.0, 2.0, 2.0, 0, 1, 0, 1, 2, 0, 2, 0, 1, 1, 0, 2])  # a ring of three tasks, and a shorter one
    6.0
    """
    ratio = 0.0
    while True:
        length, span = _longer_circuit(numbers, ratio)
        if span <= 0.0 or length / span <= ratio:
            return ratio
        ratio = length / span
