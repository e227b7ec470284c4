"""Windows: an index that is a sum over several ranks (``K[e,p+w]``) touches fewer elements than its ranks have pairs.

With p in a tile of a and w in one of b it touches a + b - 1 elements, not a*b; where the tensor ends, fewer. Indices that
number the tiles of one rank (``m1*M0+m0``) do not overlap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import sympy

from fusemax.cascade.ir import Cascade, affine
from fusemax.cost.extents import ONE, Extents, digits_of
from fusemax.cost.masks import Band, tiles_of
from fusemax.cost.symbols import greatest, least, symbol, to_sympy, window_sum
from fusemax.language.syntax import Access
from fusemax.mapping.nest import Nest, Root


@dataclass(frozen=True, slots=True)
class Window:
    """An index over several roots, each with the step that its variable takes, from *start* on, into *size* elements."""

    roots: tuple[Root, ...]
    digits: tuple[frozenset[str], ...]
    steps: tuple[sympy.Expr, ...]
    start: sympy.Expr
    size: sympy.Expr

    def touched(self, extents: Extents, fixed: Collection[str]) -> sympy.Expr:
        """Return the elements of a whole tile, over its pairs; *fixed* are the digits that loops around it hold still."""
        touched: sympy.Expr = ONE
        pairs: sympy.Expr = ONE
        for root, digits, step in zip(self.roots, self.digits, self.steps, strict=True):
            extent = extents.covered(root, digits - set(fixed))
            touched += step * (extent - 1)
            pairs *= extent
        return least(least(touched, pairs), self.size) / greatest(1, pairs)

    def share(self, extents: Extents, fixed: Collection[str]) -> sympy.Expr:
        """Return the elements of all tiles over all their pairs: exact for two ranks cut from the outside in."""
        tiles = [
            tiles_of(extents, root, digits & set(fixed))
            for root, digits in zip(self.roots, self.digits, strict=True)
        ]
        held = any(root.name in extents.parts for root in self.roots)
        if held or len(tiles) != 2 or any(found is None for found in tiles):
            return self.touched(extents, fixed)
        values: list[sympy.Expr] = []
        pairs: sympy.Expr = ONE
        for root, step, found in zip(self.roots, self.steps, tiles, strict=True):
            assert found is not None
            values += [step, extents.part(root).size, found.size]
            pairs *= extents.part(root).size
        return window_sum(self.size, self.start, *values) / greatest(1, pairs)

    def is_inside_of(self, band: Band) -> bool:
        """Return whether *band* holds just those points whose index the tensor has: from its first element on."""
        roots = {root.name for root in self.roots}
        return (
            band.sign < 0 and roots == {band.row, band.column} and sympy.simplify(band.low + self.start) == 0
        )


def windows_of(nest: Nest, cascade: Cascade, access: Access) -> Iterator[Window]:
    """Yield the windows among the indices of *access*."""
    ranks = cascade.tensors[access.tensor].ranks
    for index, rank in zip(access.indices, ranks, strict=True):
        terms = affine(index)
        if terms is None or len(terms[0]) < 2:
            continue
        roots = tuple(nest.roots.get(v) or nest.root_of(v) for v in terms[0])
        if len({root.name for root in roots}) < len(terms[0]):
            continue
        yield Window(
            roots,
            tuple(digits_of(nest, (variable,)) for variable in terms[0]),
            tuple(ONE if step is None else to_sympy(step) for step in terms[0].values()),
            sympy.Integer(0) if terms[1] is None else to_sympy(terms[1]),
            symbol(rank),
        )
