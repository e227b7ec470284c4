"""What circuits of dependences cost: cycles that no order of the tasks can go below (``schedule: auto``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy

from fusemax.cost.counts import NestCounts
from fusemax.cost.symbols import floor, greatest
from fusemax.mapping.dependence import Dependence, circuits, dependences
from fusemax.mapping.nest import Mapped

ONE = sympy.Integer(1)


Parts = Sequence[tuple[sympy.Expr, NestCounts]]


def recurrence_cycles(
    mapped: Mapped, parts: Parts, cycles: Mapping[tuple[str, str], sympy.Expr]
) -> tuple[sympy.Expr, ...]:
    """Return, for each circuit of dependences that a loop carries, the cycles of its chain on the busiest core.

    A chain over n iterations of its loop waits n - 1 times for the circuit's tasks; chains of different iterations of the
    loops outside do not wait for each other, and follow one another in order. Short tiles at ragged ends are not counted, so
    that this stays a lower bound. *parts* are what that core does: so many times what is counted there; *cycles* are those of
    each (unit, Einsum), all epochs together.
    """
    counts = parts[0][1]
    rings = circuits(dependences(mapped, counts.deepest))
    return tuple(_chain(parts, ring, cycles) for ring in rings)


def _chain(
    parts: Parts, ring: tuple[Dependence, ...], cycles: Mapping[tuple[str, str], sympy.Expr]
) -> sympy.Expr:
    carried = [d.carried for d in ring if d.carried is not None]
    loop = carried[0]
    length: sympy.Expr = sympy.Integer(0)
    for einsum in dict.fromkeys(d.reader for d in ring):
        mine = [value for (_, name), value in cycles.items() if name == einsum]
        length += greatest(*mine) if mine else 0
    iterations = parts[0][1].extents.trips(loop)
    epochs = sum((times * counts.epochs for times, counts in parts), sympy.Integer(0))
    chains = sum((times * _whole_iterations(counts, loop) for times, counts in parts), sympy.Integer(0))
    return length / epochs * chains * (iterations - 1) / len(carried)


def _whole_iterations(counts: NestCounts, loop: str) -> sympy.Expr:
    """Return the iterations of the loops outside *loop* in which no tile is short."""
    loops = counts.deepest.loops
    outside = loops[: loops.index(loop)]
    result: sympy.Expr = ONE
    for root in counts.nest.roots.values():
        mine = [digit for digit in outside if digit in counts.extents.part(root).digits]
        if mine:
            result *= floor(counts.extents.part(root).size / counts.extents.tile(root, mine))
    return result
