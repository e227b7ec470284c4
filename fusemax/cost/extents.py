"""How many: tiles, iterations and words, exact for ragged edges.

A root of size R is cut into digits with sizes; ``covered(root, digits)`` is the number of different values that a set of its
digits takes. All digits together give R exactly, the outer ones the number of tiles, rounded up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sympy

from fusemax.cascade.ir import affine, is_variable
from fusemax.cost.symbols import ceildiv, least, repeated, symbol, to_sympy
from fusemax.language.syntax import Access, names
from fusemax.mapping.nest import Nest, Root

ONE = sympy.Integer(1)


@dataclass(frozen=True, slots=True)
class Extents:
    """The extents of one nest: its roots, and the symbol of each digit's size."""

    nest: Nest
    sizes: Mapping[str, sympy.Expr]

    def covered(self, root: Root, digits: Collection[str]) -> sympy.Expr:
        """Return how many different values *digits* of *root* take together.

        Runs of neighbouring digits are exact; for digits with a gap between them the product of the runs, which is exact
        when the tiles divide.
        """
        result: sympy.Expr = ONE
        for first, last in _runs([digit.name in digits for digit in root.digits]):
            inner = self._product(root, range(last + 1, len(root.digits)))
            tiles = ceildiv(symbol(root.size_name), inner)
            result *= tiles if first == 0 else least(tiles, self._product(root, range(first, last + 1)))
        return result

    def _product(self, root: Root, positions: Iterable[int]) -> sympy.Expr:
        product: sympy.Expr = ONE
        for position in positions:
            product *= self.sizes[root.digits[position].name]
        return product

    def tile(self, root: Root, digits: Collection[str]) -> sympy.Expr:
        """Return the size of the tiles of *root* that *digits* count: all that lies inside the innermost of them."""
        inside = [position for position, digit in enumerate(root.digits) if digit.name in digits]
        if not inside:
            return symbol(root.size_name)
        return self._product(root, range(inside[-1] + 1, len(root.digits)))

    def rounds(self, root: Root, lanes: sympy.Expr) -> sympy.Expr:
        """Return the rounds in which *lanes* take all tiles of *root*, one after another: the last may need fewer."""
        size = self.sizes[root.digits[-1].name]
        whole = ceildiv(symbol(root.size_name), size) - 1
        return whole * ceildiv(size, lanes) + ceildiv(symbol(root.size_name) - whole * size, lanes)

    def trips(self, digit: str) -> sympy.Expr:
        """Return the number of iterations of the loop over *digit* alone."""
        return self.covered(self.nest.root_of(digit), (digit,))

    def points(self, digits: Collection[str]) -> sympy.Expr:
        """Return how many different points *digits* (of any roots) take together."""
        result: sympy.Expr = ONE
        for root in self.nest.roots.values():
            result *= self.covered(root, digits)
        return result

    def moved(self, mine: Collection[str], loops: tuple[str, ...], stays: bool) -> sympy.Expr:
        """Return the elements moved in total when a tile is brought in inside *loops*.

        Parameters
        ----------
        mine
            The digits that the tensor carries.
        loops
            The loops around the tile, outermost first.
        stays
            Whether a tile that is wanted again at once stays: then a loop that does not change the tile costs nothing,
            unless a loop of the tensor's own turns inside it.
        """
        result: sympy.Expr = ONE
        for root in self.nest.roots.values():
            result *= self._moved(root, set(mine), loops, stays)
        return result

    def _moved(self, root: Root, mine: set[str], loops: tuple[str, ...], stays: bool) -> sympy.Expr:
        of_root = {digit.name for digit in root.digits}
        base = mine & of_root
        others = [loop for loop in loops if loop in of_root and loop not in base]
        if not stays:
            return self.covered(root, base | set(others))
        result = self.covered(root, base)
        taken: set[str] = set()
        for loop in others:
            taken.add(loop)
            inner = [o for o in loops[loops.index(loop) + 1 :] if o in mine]
            turns: sympy.Expr = ONE
            for other in inner:
                turns *= self.trips(other)
            result = repeated(turns, self.covered(root, base | taken), result)
        return result


def window_share(extents: Extents, access: Access, fixed: Collection[str]) -> sympy.Expr:
    """Return the elements of a tile over the pairs of its indices, where an index is a sum over several ranks.

    ``K[e,p+w]`` with p in a tile of a and w in one of b touches a + b - 1 elements, not a*b. Indices that number the tiles
    of one rank (``m1*M0+m0``) do not overlap. *fixed* are the digits that loops around the tile hold still.
    """
    nest = extents.nest
    result: sympy.Expr = ONE
    for index in access.indices:
        terms = affine(index)
        if terms is None or len(terms[0]) < 2:
            continue
        roots = {v: nest.roots.get(v) or nest.root_of(v) for v in terms[0]}
        if len({root.name for root in roots.values()}) < len(terms[0]):
            continue
        touched: sympy.Expr = ONE
        pairs: sympy.Expr = ONE
        for variable, coefficient in terms[0].items():
            inside = digits_of(nest, (variable,)) - set(fixed)
            extent = extents.covered(roots[variable], inside)
            step = sympy.Integer(1) if coefficient is None else to_sympy(coefficient)
            touched += step * (extent - 1)
            pairs *= extent
        result *= least(touched, pairs) / pairs
    return result


def _runs(flags: list[bool]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for position, flag in enumerate(flags):
        if flag and runs and runs[-1][1] == position - 1:
            runs[-1] = (runs[-1][0], position)
        elif flag:
            runs.append((position, position))
    return runs


def digits_of(nest: Nest, variables: Iterable[str]) -> frozenset[str]:
    """Return the digits of the rank *variables*: of ``p`` all its digits, of ``m1`` just that one."""
    found: set[str] = set()
    for variable in variables:
        root = nest.roots.get(variable)
        if root is not None:
            found |= {digit.name for digit in root.digits}
        else:
            found.add(variable)
    return frozenset(found)


def access_digits(nest: Nest, access: Access) -> frozenset[str]:
    """Return the digits that the indices of *access* use, gathers included."""
    return digits_of(nest, (name for index in access.indices for name in names(index) if is_variable(name)))
