"""Tiles taken together again: a tensor over ``M1, M0`` that is only ever used at ``m1, m0`` is one over ``M``.

The same values at the same points under other names: nothing changes but how they are called. The analysis of a
scan over M needs it, where others use M in tiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fusemax.cascade.ir import Cascade, Einsum, is_variable, map_accesses
from fusemax.language.syntax import Access, Binary, Expression, Name, accesses, names

Ways = Mapping[tuple[str, str], str]  # (M1, M0) -> M


def regrouped(cascade: Cascade, digits: Mapping[str, tuple[str, ...]]) -> Cascade:
    """Return *cascade* with tensors over a pair of parts written as tensors over the whole rank, where that is the same.

    *digits* are the parts of every split rank; ranks in three parts or more are left as they are.
    """
    ways = {(parts[0], parts[1]): rank for rank, parts in reversed(list(digits.items())) if len(parts) == 2}
    places: dict[str, int] = {}
    for name, tensor in cascade.tensors.items():
        pairs = [i for i in range(len(tensor.ranks) - 1) if tensor.ranks[i : i + 2] in ways]
        if len(pairs) == 1 and tensor.generation not in tensor.ranks[pairs[0] : pairs[0] + 2]:
            places[name] = pairs[0]
    for einsum in cascade.einsums:
        for access in (*einsum.reads, *einsum.outputs):
            if access.tensor in places and not _together(access, places[access.tensor]):
                del places[access.tensor]
    if not places:
        return cascade
    tensors = dict(cascade.tensors)
    for name, at in places.items():
        ranks = tensors[name].ranks
        whole = ways[ranks[at], ranks[at + 1]]
        tensors[name] = replace(tensors[name], ranks=(*ranks[:at], whole, *ranks[at + 2 :]))
    einsums = tuple(_written(einsum, places, cascade) for einsum in cascade.einsums)
    return replace(cascade, tensors=tensors, einsums=einsums)


def _together(access: Access, at: int) -> bool:
    """Return whether the two indices are two plain variables that occur nowhere else in the access."""
    pair = access.indices[at : at + 2]
    rest = {name for i, index in enumerate(access.indices) if i not in (at, at + 1) for name in names(index)}
    found = {index.name for index in pair if isinstance(index, Name) and is_variable(index.name)}
    return len(found) == 2 and not found & rest


def _written(einsum: Einsum, places: Mapping[str, int], cascade: Cascade) -> Einsum:
    def change(access: Access) -> Access:
        at = places.get(access.tensor)
        if at is None:
            return access
        outer, inner = access.indices[at], access.indices[at + 1]
        size = Name(cascade.tensors[access.tensor].ranks[at + 1])
        joined: Expression = Binary("+", Binary("*", outer, size), inner)
        return replace(access, indices=(*access.indices[:at], joined, *access.indices[at + 2 :]))

    gathers = any(accesses(index) for access in einsum.reads for index in access.indices)
    if gathers:
        return replace(
            einsum,
            outputs=tuple(change(o) for o in einsum.outputs),
            expression=_deep(einsum.expression, change),
        )
    outputs = tuple(change(output) for output in einsum.outputs)
    return replace(einsum, outputs=outputs, expression=map_accesses(einsum.expression, change))


def _deep(expression: Expression, change) -> Expression:
    """Change accesses inside indices too."""

    def both(access: Access) -> Access:
        inner = tuple(map_accesses(index, both) for index in access.indices)
        return change(replace(access, indices=inner))

    return map_accesses(expression, both)
