"""What circuits of dependences cost: cycles that no order of the tasks can go below (``schedule: auto``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy

from fusemax.cost.counts import NestCounts
from fusemax.cost.symbols import cycle_ratio, floor, greatest
from fusemax.mapping.dependence import Dependence, dependences
from fusemax.mapping.nest import Mapped

ONE = sympy.Integer(1)


Parts = Sequence[tuple[sympy.Expr, NestCounts]]


def recurrence_cycles(
    mapped: Mapped, parts: Parts, cycles: Mapping[tuple[str, str], sympy.Expr]
) -> tuple[sympy.Expr, ...]:
    """Return, for each loop that carries dependences, the cycles of the longest chain on the busiest core.

    A chain over n iterations of its loop waits n - 1 times for the tasks of a circuit of dependences, the one that is longest
    for the iterations that it spans; chains of different iterations of the loops outside do not wait for each other, and
    follow one another in order. Short tiles at ragged ends are not counted, so that this stays a lower bound. *parts* are
    what that core does: so many times what is counted there; *cycles* are those of each (unit, Einsum), all epochs together.
    """
    found = dependences(mapped, parts[0][1].deepest)
    loops = dict.fromkeys(d.carried for d in found if d.carried is not None)
    return tuple(_chain(parts, loop, found, cycles) for loop in loops)


def _chain(
    parts: Parts, loop: str, found: Sequence[Dependence], cycles: Mapping[tuple[str, str], sympy.Expr]
) -> sympy.Expr:
    mine = [d for d in found if d.carried in (None, loop)]
    einsums = list(dict.fromkeys(name for d in mine for name in (d.writer, d.reader)))
    lengths = [_length(einsum, cycles) for einsum in einsums]
    edges = dict.fromkeys(
        (einsums.index(d.writer), einsums.index(d.reader), int(d.carried is not None)) for d in mine
    )
    numbers = [len(einsums), len(edges), *lengths, *(value for edge in edges for value in edge)]
    longest = cycle_ratio(*map(sympy.sympify, numbers))
    iterations = parts[0][1].extents.trips(loop)
    epochs = sum((times * counts.epochs for times, counts in parts), sympy.Integer(0))
    chains = sum((times * _whole_iterations(counts, loop) for times, counts in parts), sympy.Integer(0))
    return longest / epochs * chains * (iterations - 1)


def _length(einsum: str, cycles: Mapping[tuple[str, str], sympy.Expr]) -> sympy.Expr:
    mine = [value for (_, name), value in cycles.items() if name == einsum]
    return greatest(*mine) if mine else sympy.Integer(0)


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
