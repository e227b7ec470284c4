"""Sizes and inputs on which a cascade is tried: small, with ragged tiles; numbers, places within range, and labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fusemax.analysis.rewrite.parts import parts
from fusemax.cascade.ir import Cascade
from fusemax.cascade.sizes import SizeError, resolve_sizes
from fusemax.language.syntax import (
    Access,
    Call,
    Expression,
    Negative,
    Number,
    Populate,
    accesses,
    children,
    names,
)

Inputs = dict[str, np.ndarray]

#: Extents for the trials: that of tiles, then those of other ranks in turn; tiles divide none of them.
EXTENTS = ((2, (5, 3, 7, 5)), (3, (7, 4, 5, 8)), (4, (6, 5, 9, 7)))


def example_sizes(
    cascade: Cascade, extents: tuple[int, tuple[int, ...]], ragged: bool = True
) -> dict[str, int]:
    """Return small sizes for the ranks of *cascade*, such that tiles do not divide the ranks that they tile; or do."""
    tile, others = extents
    tiled = {r.name: parts(r) for r in cascade.ranks.values() if parts(r)}
    fixed = {r.name for r in cascade.ranks.values() if r.size is not None}
    wanted = [name for name in cascade.size_symbols() if name not in fixed]
    sizes = {name: others[number % len(others)] for number, name in enumerate(wanted)}
    for whole, digits in tiled.items():
        sizes.pop(digits[0], None)
        sizes |= dict.fromkeys(digits[1:], tile)
        sizes[whole] = 2 * tile ** (len(digits) - 1) + ragged
    for group in cascade.same:
        chosen = max(sizes.get(name, 0) for name in group)
        parts_of = {n for found in tiled.values() for n in found}
        sizes.update(
            {name: chosen for name in group if name in cascade.ranks and name not in parts_of and chosen}
        )
    for einsum in cascade.computed:
        if isinstance(einsum.action, Populate):
            source, target = einsum.action.source.upper(), einsum.action.target.upper()
            if target in sizes:
                sizes[target] = min(sizes[target], sizes.get(source, 2))
    for _, rank, index in cascade.fixed_places:  # N[2,m] needs three places
        if rank in sizes and isinstance(index, Number):
            sizes[rank] = max(sizes[rank], int(index.value) + 1)
    return _whole(cascade, sizes)


def _whole(cascade: Cascade, sizes: dict[str, int]) -> dict[str, int]:
    """Return *sizes*, those of which formulas are made doubled where one comes to a fraction: N/2 + 1 of an odd N."""
    used = {name for rank in cascade.ranks.values() if rank.size is not None for name in names(rank.size)}
    for factor in (1, 2, 4, 8):
        found = {name: size * factor if name in used else size for name, size in sizes.items()}
        try:
            resolve_sizes(cascade, {n: s for n, s in found.items() if n in names_of(cascade)})
        except SizeError:
            continue
        return found
    return sizes


def example_inputs(cascade: Cascade, sizes: Mapping[str, int], random: np.random.Generator) -> Inputs:
    """Return normal random inputs, whole numbers within range for those used as indices, and labels 0 and 1."""
    known = resolve_sizes(cascade, {n: s for n, s in sizes.items() if n in names_of(cascade)})
    flat = cascade.batched()
    indices, labels = _index_inputs(cascade), _labels(cascade)
    result: Inputs = {}
    for name in cascade.inputs:
        shape = [known[rank] for rank in flat.tensors[name].ranks]
        if name in indices:
            bound = min((known[r] for r in indices[name]), default=2)
            result[name] = random.integers(0, max(1, bound), shape).astype(float)
        elif name in labels:
            result[name] = random.integers(0, 2, shape).astype(float)
        else:
            result[name] = random.normal(size=shape)
    return result


def _labels(cascade: Cascade) -> frozenset[str]:
    """Return inputs that are only compared with one another, such as the numbers of packed documents."""
    compared: set[str] = set()
    other: set[str] = set()

    def note(expression: Expression, inside: bool) -> None:
        if isinstance(expression, Access):
            (compared if inside else other).add(expression.tensor)
        equal = isinstance(expression, Call) and expression.function in ("eq", "ne")
        for child in children(expression):
            note(child, equal or (inside and isinstance(expression, Negative)))

    for einsum in cascade.computed:
        note(einsum.expression, inside=False)
    return frozenset(compared - other) & frozenset(cascade.inputs)


def names_of(cascade: Cascade) -> set[str]:
    """Return the ranks and other sizes of *cascade* by name."""
    return {*cascade.ranks, *cascade.size_symbols()}


def _index_inputs(cascade: Cascade) -> dict[str, tuple[str, ...]]:
    """Return inputs read inside an index, with the ranks whose size bounds them."""
    found: dict[str, tuple[str, ...]] = {}
    for einsum in cascade.einsums:
        for access in einsum.reads:
            for rank, index in zip(cascade.tensors[access.tensor].ranks, access.indices, strict=True):
                for inner in accesses(index):
                    bounds = parts(cascade.ranks[rank])[:1] or (rank,)
                    found[inner.tensor] = (*found.get(inner.tensor, ()), *bounds)
    return found
