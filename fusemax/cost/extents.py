"""How many: tiles, iterations and words, exact for ragged edges.

A root of size R is cut into digits with sizes; ``covered(root, digits)`` is the number of different values that a set of its
digits takes. All digits together give R exactly, the outer ones the number of tiles, rounded up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sympy

from fusemax.cascade.ir import affine, is_variable
from fusemax.cost.symbols import at_most, ceildiv, least, repeated, symbol, to_sympy
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
        if stays and self._depends(set(mine), loops):
            return self._kept(set(mine), loops)
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

    def _own_inside(self, mine: set[str], loops: tuple[str, ...], foreign: str) -> dict[str, list[str]]:
        """Return the loops of the tensor's own inside the loop *foreign*, by root."""
        inside: dict[str, list[str]] = {}
        for loop in loops[loops.index(foreign) + 1 :]:
            if loop in mine:
                inside.setdefault(self.nest.root_of(loop).name, []).append(loop)
        return inside

    def _depends(self, mine: set[str], loops: tuple[str, ...]) -> bool:
        """Return whether a tile may stay in some places and not in others.

        That is so when a root that the tensor carries whole is cut by loops on both sides of a loop of other roots: a ragged
        end may leave the inner ones a single iteration.
        """
        foreign = [loop for loop in loops if loop not in mine]
        roots = [root for root in self.nest.roots.values() if any(d.name in mine for d in root.digits)]
        if any(self.nest.root_of(loop) in roots for loop in foreign):
            return False
        if any(d.name not in mine for root in roots for d in root.digits):
            return False
        return any(
            self.nest.roots[root].digits[0].name not in inside
            for loop in foreign
            for root, inside in self._own_inside(mine, loops, loop).items()
        )

    def _kept(self, mine: set[str], loops: tuple[str, ...]) -> sympy.Expr:
        """Return the elements moved when a tile that is wanted again at once stays, exact at ragged ends.

        The k-th loop that is not the tensor's own brings all tiles again but those that it finds alone: where the own loops
        inside it have a single iteration. With T(k) the iterations of the first k such loops and V(k) the elements that the
        k-th finds alone, V of all of them: V*T(n) - sum of V(k)*(T(k) - T(k-1)).
        """
        foreign = [loop for loop in loops if loop not in mine]
        times = [self.points(foreign[:count]) for count in range(len(foreign) + 1)]
        result = self.points(mine) * times[-1]
        for number, loop in enumerate(foreign):
            alone = self._alone(mine, self._own_inside(mine, loops, loop))
            result -= alone * (times[number + 1] - times[number])
        return result

    def _alone(self, mine: set[str], inside: Mapping[str, list[str]]) -> sympy.Expr:
        """Return the elements in whose place each of the loops *inside* has a single iteration."""
        result: sympy.Expr = ONE
        for root in self.nest.roots.values():
            own = inside.get(root.name)
            result *= self._alone_in(root, own) if own else self.covered(root, mine)
        return result

    def _alone_in(self, root: Root, own: list[str]) -> sympy.Expr:
        names = [digit.name for digit in root.digits]
        size = symbol(root.size_name)
        tile = self._product(root, range(names.index(own[-1]) + 1, len(names)))
        if names[0] in own:
            return at_most(size, tile) * size
        around = self._product(root, range(names.index(own[0]), len(names)))
        whole = (ceildiv(size, around) - 1) * around
        rest = size - whole
        return at_most(around, tile) * whole + at_most(rest, tile) * rest


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
