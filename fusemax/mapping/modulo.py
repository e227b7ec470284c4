"""Modulo scheduling: the shortest epoch in which every unit does each of its tasks once, for several iterations at a time.

After Rau (Iterative Modulo Scheduling, MICRO 1994): an epoch is no shorter than the busiest unit's work (ResMII), nor than
any circuit of dependences divided by the iterations that it spans (RecMII). Tasks hold their unit until they end, so that a
kernel is an order per unit. Where all tasks take whole cycles, so does an epoch. Orders are the program's, rotated: a task at
the head of the epoch then belongs to an earlier iteration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, chain, islice, product
from math import ceil, floor

ORDERS = 4096  #: rotations that are tried for one interval


@dataclass(frozen=True, slots=True)
class Task:
    """A task of every iteration: *cycles* of *unit* (None: of no unit), its result *latency* cycles after that."""

    name: str
    unit: str | None
    cycles: Fraction
    latency: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Edge:
    """Task *reader* needs the result of task *writer* of *distance* iterations before; tasks by their numbers."""

    writer: int
    reader: int
    distance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """An epoch.

    Attributes
    ----------
    interval
        Cycles from one epoch to the next.
    resources, recurrences
        The two lower bounds of the interval.
    starts, stages
        Of each task: the cycle of the epoch in which it starts, and how many epochs its iteration is behind the youngest.
    """

    tasks: tuple[Task, ...]
    edges: tuple[Edge, ...]
    interval: Fraction
    resources: Fraction
    recurrences: Fraction
    starts: tuple[Fraction, ...]
    stages: tuple[int, ...]

    @property
    def bound(self) -> Fraction:
        """The larger of the two lower bounds, in whole cycles where all tasks take whole cycles."""
        return _rounded(self.tasks, max(self.resources, self.recurrences))

    @property
    def reached(self) -> bool:
        """Whether no epoch can be shorter."""
        return self.interval == self.bound

    @property
    def depth(self) -> int:
        """How many iterations are under way at once."""
        return max(self.stages, default=0) + 1

    def order(self, unit: str) -> tuple[int, ...]:
        """Return the tasks of *unit* in the order of the epoch."""
        mine = [n for n, task in enumerate(self.tasks) if task.unit == unit]
        return tuple(sorted(mine, key=lambda n: (self.starts[n], n)))

    def alive(self, edge: Edge) -> int:
        """Return how many values of *edge* are alive at once, from the start of the writer to the end of the reader."""
        reader = self.tasks[edge.reader]
        begin = self.starts[edge.writer] + self.stages[edge.writer] * self.interval
        end = self.starts[edge.reader] + (self.stages[edge.reader] + edge.distance) * self.interval
        span = end + reader.cycles - begin
        return max(1, ceil(span / self.interval)) if self.interval else 1

    def __str__(self) -> str:
        why = (
            "the lower bound, reached" if self.reached else f"lower bound {float(self.bound):g}, not reached"
        )
        return (
            f"an epoch of {float(self.interval):g} cycles ({why}: units {float(self.resources):g}, "
            f"recurrences {float(self.recurrences):g}), {self.depth} iterations deep"
        )


def modulo_schedule(tasks: Sequence[Task], edges: Sequence[Edge]) -> Kernel:
    """Return the shortest epoch found for *tasks*, listed in program order, with the fewest iterations under way.

    >>> chain = [Task("load", "a", Fraction(3)), Task("use", "b", Fraction(2)), Task("store", "a", Fraction(1))]
    >>> print(modulo_schedule(chain, [Edge(0, 1, 0), Edge(1, 2, 0)]))
    an epoch of 4 cycles (the lower bound, reached: units 4, recurrences 0), 2 iterations deep
    """
    tasks, edges = tuple(tasks), tuple(edges)
    resources = max((_work(tasks, unit) for unit in _units(tasks)), default=Fraction(0))
    recurrences = recurrence_bound(tasks, edges)
    low = _rounded(tasks, max(resources, recurrences))
    found = _best(tasks, edges, low, resources, recurrences)
    if found is not None:
        return found
    high = max(low, _rounded(tasks, sum((task.cycles + task.latency for task in tasks), Fraction(0))))
    kernel = _best(tasks, edges, high, resources, recurrences)
    while kernel is None:
        low, high = high, high * 2
        kernel = _best(tasks, edges, high, resources, recurrences)
    step = Fraction(1) if _whole(tasks) else Fraction(1, 64)
    while high - low > step:
        middle = low + step * floor((high - low) / step / 2)
        attempt = _best(tasks, edges, middle, resources, recurrences)
        if attempt is None:
            low = middle
        else:
            high, kernel = middle, attempt
    return kernel


def recurrence_bound(tasks: Sequence[Task], edges: Sequence[Edge]) -> Fraction:
    """Return the largest of all circuits' lengths, each divided by the iterations that it spans (RecMII).

    Lawler's maximum ratio of a cycle (Combinatorial Optimization, 1976, section 3.13), without listing circuits: while some
    circuit is longer than *ratio* times its span, take its own ratio, which is larger. Every step finds another circuit, and
    none is found at the end.

    >>> ring = [Task(name, None, Fraction(2)) for name in "abc"]
    >>> recurrence_bound(ring, [Edge(0, 1, 0), Edge(1, 2, 0), Edge(2, 0, 1), Edge(1, 0, 2)])
    Fraction(6, 1)

    Raises
    ------
    ValueError
        For a circuit within one iteration: no order of its tasks exists.
    """
    lengths = [task.cycles + task.latency for task in tasks]
    ratio = Fraction(0)
    while True:
        circuit = _longer_circuit(lengths, edges, ratio)
        if circuit is None:
            return ratio
        span = sum(edge.distance for edge in circuit)
        if span == 0:
            names = " -> ".join(tasks[edge.writer].name for edge in circuit)
            raise ValueError(f"these tasks need each other within one iteration: {names}")
        ratio = sum((lengths[edge.writer] for edge in circuit), Fraction(0)) / span


def _longer_circuit(lengths: Sequence[Fraction], edges: Sequence[Edge], ratio: Fraction) -> list[Edge] | None:
    """Return a circuit whose tasks take longer than *ratio* times the iterations that it spans; None if there is none.

    Longest paths by Bellman and Ford: if they still grow after as many rounds as there are tasks, a circuit makes them grow.
    """
    far = [Fraction(0)] * len(lengths)
    came: list[Edge | None] = [None] * len(lengths)
    grown: int | None = None
    for _ in range(len(lengths)):
        grown = None
        for edge in edges:
            reached = far[edge.writer] + lengths[edge.writer] - ratio * edge.distance
            if reached > far[edge.reader]:
                far[edge.reader], came[edge.reader], grown = reached, edge, edge.reader
        if grown is None:
            return None
    place = grown
    for _ in range(len(lengths)):  # walk back until certainly inside the circuit
        edge = came[place] if place is not None else None
        place = edge.writer if edge is not None else place
    circuit: list[Edge] = []
    start = place
    while True:
        edge = came[place] if place is not None else None
        if edge is None:
            return None
        circuit.append(edge)
        place = edge.writer
        if place == start:
            return circuit[::-1]


def _whole(tasks: Sequence[Task]) -> bool:
    return all(task.cycles.denominator == 1 for task in tasks)


def _rounded(tasks: Sequence[Task], cycles: Fraction) -> Fraction:
    return Fraction(ceil(cycles)) if _whole(tasks) else cycles


def _units(tasks: Sequence[Task]) -> list[str]:
    return list(dict.fromkeys(task.unit for task in tasks if task.unit is not None))


def _work(tasks: Sequence[Task], unit: str) -> Fraction:
    return sum((task.cycles for task in tasks if task.unit == unit), Fraction(0))


def _best(
    tasks: tuple[Task, ...], edges: tuple[Edge, ...], interval: Fraction, resources: Fraction,
    recurrences: Fraction,
) -> Kernel | None:  # fmt: skip
    """Return the kernel of *interval* with the fewest iterations under way, then the shortest lives; None if there is none."""
    best: tuple[tuple[int, Fraction], Kernel] | None = None
    packed = (_starts(tasks, edges, interval, orders) for orders in islice(_orders(tasks), ORDERS))
    for starts in chain(packed, _serial(tasks, interval)):
        stages = _stages(tasks, edges, interval, starts)
        if stages is None:
            continue
        kernel = Kernel(
            tasks=tasks, edges=edges, interval=interval, resources=resources, recurrences=recurrences, starts=starts,
            stages=stages,
        )  # fmt: skip
        score = (kernel.depth, _lives(kernel))
        if best is None or score < best[0]:
            best = (score, kernel)
    return best[1] if best else None


def _serial(tasks: tuple[Task, ...], interval: Fraction) -> Iterator[tuple[Fraction, ...]]:
    """Yield the starts of one task after another in program order, when *interval* has room for that: they always do."""
    ends = list(accumulate((task.cycles + task.latency for task in tasks), initial=Fraction(0)))
    if ends[-1] <= interval:
        yield tuple(ends[:-1])


def _orders(tasks: tuple[Task, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yield one order per unit: the program's, rotated; tasks of no unit stand alone."""
    rotated: list[list[tuple[int, ...]]] = []
    for unit in _units(tasks):
        mine = tuple(n for n, task in enumerate(tasks) if task.unit == unit)
        rotated.append([mine[k:] + mine[:k] for k in range(len(mine))])
    rotated += [[(n,)] for n, task in enumerate(tasks) if task.unit is None]
    yield from product(*rotated)


def _starts(
    tasks: tuple[Task, ...], edges: tuple[Edge, ...], interval: Fraction, orders: tuple[tuple[int, ...], ...]
) -> tuple[Fraction, ...]:
    """Return start cycles: back to back, but waiting for a task of the same iteration where the unit has time to spare."""
    clock = [Fraction(0)] * len(orders)
    spare = [interval - sum((tasks[n].cycles for n in order), Fraction(0)) for order in orders]
    place = [0] * len(orders)
    starts: dict[int, Fraction] = {}
    while any(place[u] < len(order) for u, order in enumerate(orders)):
        u = min((u for u, order in enumerate(orders) if place[u] < len(order)), key=lambda u: (clock[u], u))
        number = orders[u][place[u]]
        ready = [
            starts[e.writer] + tasks[e.writer].cycles + tasks[e.writer].latency
            for e in edges
            if e.reader == number and e.distance == 0 and e.writer in starts
        ]
        wait = max([clock[u], *ready]) - clock[u]
        if wait <= spare[u]:
            clock[u] += wait
            spare[u] -= wait
        starts[number] = clock[u]
        clock[u] += tasks[number].cycles
        place[u] += 1
    return tuple(starts[n] for n in range(len(tasks)))


def _stages(
    tasks: tuple[Task, ...], edges: tuple[Edge, ...], interval: Fraction, starts: tuple[Fraction, ...]
) -> tuple[int, ...] | None:
    """Return the least stages with which every value is there in time; None when a circuit of dependences forbids it."""
    if interval == 0:
        return (0,) * len(tasks)
    stages = [0] * len(tasks)
    for _ in range(len(tasks) + 1):
        moved = False
        for edge in edges:
            writer = tasks[edge.writer]
            late = starts[edge.writer] + writer.cycles + writer.latency - starts[edge.reader]
            needed = stages[edge.writer] + ceil(late / interval) - edge.distance
            if needed > stages[edge.reader]:
                stages[edge.reader] = needed
                moved = True
        if not moved:
            return tuple(stages)
    return None


def _lives(kernel: Kernel) -> Fraction:
    total = Fraction(0)
    for edge in kernel.edges:
        begin = kernel.starts[edge.writer] + kernel.stages[edge.writer] * kernel.interval
        end = kernel.starts[edge.reader] + (kernel.stages[edge.reader] + edge.distance) * kernel.interval
        total += end - begin
    return total
