"""Layers of a stack along one sequence: what folds the sequence, and comes back along it, has loops of its own.

The second attention of a stack reads along its keys what the first one made of all of them. Both are written over the same
rank, but no loop can hold both. Here each gets a rank of its own, another name of the same sequence, so that its loop can
be looked for by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fusemax.analysis.plain import sequence
from fusemax.analysis.rewrite.draft import fresh, remade
from fusemax.analysis.rewrite.normal import RankError, conditions_with, is_map, mentions, substitute, view
from fusemax.cascade.ir import Cascade, Einsum, Rank
from fusemax.errors import ProblemsError
from fusemax.language.syntax import Access, Expression, Name, Populate, Reduction


def apart(cascade: Cascade, rank: str) -> tuple[Cascade, tuple[str, ...]]:
    """Return *cascade* with a rank for each layer along the sequence of *rank*, and the ranks that have something to fold.

    *rank* comes first, then the other names of the sequence and the layers in running order; a rank in parts
    (``J,M0``) is left alone.
    """
    if rank not in cascade.ranks:
        return cascade, (rank,)
    own = sequence(cascade, rank)
    names = [rank, *(n for n in cascade.ranks if n != rank and sequence(cascade, n) == own)]
    found: list[str] = []
    for name in names:
        cascade, layers = _layers(cascade, name)
        found += [layer for layer in layers if _folds(cascade, layer)]
    return cascade, (rank, *(n for n in _in_order(cascade, found) if n != rank))


def _folds(cascade: Cascade, rank: str) -> bool:
    try:
        return bool(view(cascade, rank).reductions)
    except RankError:
        return False


def _in_order(cascade: Cascade, ranks: list[str]) -> list[str]:
    first: dict[str, int] = {}
    for number, einsum in enumerate(cascade.einsums):
        for variable in einsum.reduced:
            first.setdefault(variable.upper(), number)
    return sorted(ranks, key=lambda name: first.get(name, len(cascade.einsums)))


def _layers(cascade: Cascade, rank: str) -> tuple[Cascade, tuple[str, ...]]:
    """Return *cascade* with the layers along *rank* under names of their own, and those names."""
    variable = rank.lower()
    along = [e for e in cascade.einsums if variable in e.variables]
    if not along or any(e.loop is not None or e.initial for e in along):
        return cascade, (rank,) if along else ()
    places = strata(cascade, rank)
    names = {0: rank}
    taken: list[str] = []
    for place in sorted(set(places.values()) - {0}):
        names[place] = fresh(cascade, f"{rank}{chr(ord('A') + place % 26)}", taken)
        taken.append(names[place])
    if not taken:
        return cascade, (rank,)
    size = cascade.ranks[rank].size
    alias = size if isinstance(size, Name) else Name(rank)
    ranks = {name: Rank(name, alias) for name in taken}
    einsums = [
        _renamed(e, variable, names[places[e.output.tensor]].lower()) if variable in e.variables else e
        for e in cascade.einsums
    ]
    try:
        return remade(cascade, einsums, ranks), tuple(names.values())
    except ProblemsError:
        return cascade, (rank,)


def strata(cascade: Cascade, rank: str) -> Mapping[str, int]:
    """Return the layer of each Einsum along *rank*, by the first tensor that it writes.

    A layer begins with an Einsum along the rank that needs a fold of the layer before, though nothing of what it reads carries
    that layer on coordinate by coordinate.
    """
    variable = rank.lower()
    layer: dict[str, int] = {}
    behind: dict[str, int] = {}  #: how many layers have been folded on the way to a tensor
    for einsum in cascade.einsums:
        depth = max((behind.get(access.tensor, 0) for access in einsum.reads), default=0)
        if variable in einsum.variables:
            carried = [
                layer[a.tensor] for a in einsum.reads if _carries(cascade, a, rank) and a.tensor in layer
            ]
            layer[einsum.output.tensor] = (
                depth if _begins(cascade, einsum, rank, behind) else max(carried, default=0)
            )
            if variable in einsum.reduced:
                depth = max(depth, layer[einsum.output.tensor] + 1)
        for output in einsum.outputs:
            behind[output.tensor] = max(depth, behind.get(output.tensor, 0))
    return layer


def _begins(cascade: Cascade, einsum: Einsum, rank: str, behind: Mapping[str, int]) -> bool:
    """Return whether *einsum* runs along *rank* by what was folded over it: under another name, or freshly made."""
    variable = rank.lower()
    if any(
        _carries(cascade, access, rank) and access.tensor not in cascade.inputs for access in einsum.reads
    ):
        return False
    again = any(
        behind.get(access.tensor, 0) and any(mentions(index, (variable,)) for index in access.indices)
        for access in einsum.reads
    )
    fresh_there = variable in einsum.output_variables and not is_map(einsum)
    return again or (fresh_there and any(behind.get(access.tensor, 0) for access in einsum.reads))


def _carries(cascade: Cascade, access: Access, rank: str) -> bool:
    """Return whether *access* reads a tensor that has *rank* at a coordinate of it."""
    ranks = cascade.tensors[access.tensor].ranks
    pairs = zip(ranks, access.indices, strict=True)
    return any(name == rank and mentions(index, (rank.lower(),)) for name, index in pairs)


def _renamed(einsum: Einsum, old: str, new: str) -> Einsum:
    table: dict[str, Expression] = {old: Name(new)}
    outputs = tuple(
        Access(o.tensor, tuple(substitute(index, table) for index in o.indices), o.place)
        for o in einsum.outputs
    )
    action = einsum.action
    if isinstance(action, Reduction):
        action = replace(action, variables=tuple(new if v == old else v for v in action.variables))
    elif isinstance(action, Populate):
        source, target = (new if v == old else v for v in (action.source, action.target))
        action = replace(action, source=source, target=target)
    return replace(
        einsum,
        outputs=outputs,
        expression=substitute(einsum.expression, table),
        action=action,
        conditions=conditions_with(einsum.conditions, lambda side: substitute(side, table)),
    )
