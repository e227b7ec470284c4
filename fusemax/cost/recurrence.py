"""What circuits of dependences cost: cycles that no order of the tasks can go below (``schedule: auto``)."""

from __future__ import annotations

from collections.abc import Mapping

import sympy

from fusemax.cost.counts import NestCounts
from fusemax.cost.symbols import floor, greatest, symbol
from fusemax.mapping.dependence import Dependence, circuits, dependences
from fusemax.mapping.nest import Mapped

ONE = sympy.Integer(1)


def recurrence_cycles(
    mapped: Mapped, counts: NestCounts, cycles: Mapping[tuple[str, str], sympy.Expr]
) -> tuple[sympy.Expr, ...]:
    """Return, for each circuit of dependences that a loop carries, the cycles of its chain on the busiest core.

    A chain over n iterations of its loop waits n - 1 times for the circuit's tasks; chains of different iterations of the
    loops outside do not wait for each other, and follow one another in order. Short tiles at ragged ends are not counted, so
    that this stays a lower bound. *cycles* are those of each (unit, Einsum), all epochs together.
    """
    if counts.band is not None:
        return ()
    rings = circuits(dependences(mapped, counts.deepest))
    return tuple(_chain(counts, ring, cycles) for ring in rings)


def _chain(
    counts: NestCounts, ring: tuple[Dependence, ...], cycles: Mapping[tuple[str, str], sympy.Expr]
) -> sympy.Expr:
    carried = [d.carried for d in ring if d.carried is not None]
    loop = carried[0]
    length: sympy.Expr = sympy.Integer(0)
    for einsum in dict.fromkeys(d.reader for d in ring):
        mine = [value for (_, name), value in cycles.items() if name == einsum]
        length += greatest(*mine) if mine else 0
    iterations = counts.extents.trips(loop)
    chains = _whole_iterations(counts, loop)
    return length / counts.epochs * chains * (iterations - 1) / len(carried)


def _whole_iterations(counts: NestCounts, loop: str) -> sympy.Expr:
    """Return the iterations of the loops outside *loop* in which no tile is short."""
    loops = counts.deepest.loops
    outside = loops[: loops.index(loop)]
    result: sympy.Expr = ONE
    for root in counts.nest.roots.values():
        mine = [digit for digit in outside if counts.nest.root_of(digit) is root]
        if mine:
            result *= floor(symbol(root.size_name) / counts.extents.tile(root, mine))
    return result
