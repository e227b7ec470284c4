"""Tasks of a nest by kind, and what the busiest core does of them.

The loops in ``spread`` number tasks. Tasks that hold equal parts of the ranks are of one kind: whole ones, and those at a
ragged edge. What a task of a kind does is counted as a nest is, with the loops in ``spread`` held still.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy

from fusemax.cost.extents import ONE, Extents
from fusemax.cost.symbols import busiest_core, ceildiv, item, symbol
from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Nest

KINDS = 8  #: of tasks that one nest may have: two for each of three ragged ranks


@dataclass(frozen=True, slots=True)
class Kind:
    """Equal tasks: how many, and the extents inside one of them."""

    count: sympy.Expr
    extents: Extents


def kinds_of(nest: Nest, extents: Extents) -> tuple[Kind, ...]:
    """Return the kinds of tasks of *nest*.

    Raises
    ------
    FusemaxError
        When the loops in ``spread`` cut so many ranks that there are more than eight kinds.
    """
    kinds = [Kind(ONE, extents)]
    for root in nest.roots.values():
        kinds = [
            Kind(kind.count * count, inside)
            for kind in kinds
            for count, inside in kind.extents.pieces(root, nest.spread)
        ]
    if len(kinds) > KINDS:
        text = f"nest {nest.name}: tasks of {len(kinds)} kinds, by which of their tiles are whole; {KINDS} can be dealt"
        raise FusemaxError(f"{text}\n  hint: spread fewer loops over tiles")
    return tuple(kinds)


def dealt(counts: Sequence[sympy.Expr], weights: Sequence[sympy.Expr]) -> tuple[sympy.Expr, ...]:
    """Return how many tasks of each kind the busiest core does: the heaviest first, each to the core that is free first."""
    if len(counts) == 1:
        return (ceildiv(counts[0], symbol("replicas")),)
    pairs = [
        *zip(counts, weights, strict=True),
        *[(sympy.Integer(0), sympy.Integer(0))] * (KINDS - len(counts)),
    ]
    whole = busiest_core(symbol("replicas"), *(value for pair in pairs for value in pair))
    return tuple(item(whole, number) for number in range(len(counts)))
