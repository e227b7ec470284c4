"""How many: tiles, iterations and words, exact for ragged edges.

A root of size R is cut into digits with sizes; ``covered(root, digits)`` is the number of different values that a set of its
digits takes. All digits together give R exactly, the outer ones the number of tiles, rounded up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import sympy

from fusemax.cascade.ir import is_variable
from fusemax.cost.symbols import at_most, ceildiv, floor, least, repeated, symbol
from fusemax.language.syntax import Access, names
from fusemax.mapping.nest import Nest, Outline, Root

ONE = sympy.Integer(1)
#: Kinds of tiles: how many there are of each, and the extents inside one.
Pieces = tuple[tuple[sympy.Expr, "Extents"], ...]
Known = dict[tuple[Hashable, ...], Any]


@dataclass(frozen=True, slots=True)
class Part:
    """What is left of a root when some of its digits are held still: the others, outermost first, and their elements."""

    digits: tuple[str, ...]
    size: sympy.Expr


@dataclass(frozen=True, slots=True)
class Extents:
    """The extents of one nest: its roots, and the symbol of each digit's size.

    ``parts`` are the roots of which some digits are held still: loops over those have a single iteration. ``known`` holds
    what was asked before: the same few extents are asked for again and again while a nest is counted. Of the nest only its
    roots matter here: nests with equal ones share that (:func:`extents_of`).
    """

    nest: Nest
    sizes: Mapping[str, sympy.Expr]
    parts: Mapping[str, Part] = field(default_factory=dict)
    known: Known = field(default_factory=dict, init=False, repr=False, compare=False)
    left: dict[str, Part] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: tuple[Hashable, ...], value: Callable[[], Any]) -> Any:
        """Return *value*, worked out once for these extents."""
        if key not in self.known:
            self.known[key] = value()
        return self.known[key]

    def part(self, root: Root) -> Part:
        """Return what is left of *root*: all of it, unless some of its digits are held still."""
        found = self.left.get(root.name)
        if found is None:
            found = self.parts.get(root.name) or Part(
                tuple(digit.name for digit in root.digits), symbol(root.size_name)
            )
            self.left[root.name] = found
        return found

    def covered(self, root: Root, digits: Collection[str]) -> sympy.Expr:
        """Return how many different values *digits* of *root* take together."""
        part = self.part(root)
        wanted = tuple([digit for digit in part.digits if digit in digits])
        if not wanted:
            return ONE
        key = ("covered", root.name, *wanted)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = self._different(part.digits, part.size, wanted)
        return found

    def _different(self, digits: tuple[str, ...], size: sympy.Expr, wanted: Collection[str]) -> sympy.Expr:
        """Return how many different values the *wanted* ones of *digits* take in *size* elements.

        Digits with a gap between them take, in whole tiles of the outer ones, what the inner ones take in a tile, and in the
        ragged one what they take there.
        """
        runs = _runs([digit in wanted for digit in digits])
        if not runs:
            return ONE
        first, last = runs[0]
        inside = digits[last + 1 :]
        inner = self._product(inside)
        tiles = ceildiv(size, inner)
        if len(runs) == 1:
            return tiles if first == 0 else least(tiles, self._product(digits[first : last + 1]))
        if first > 0:
            size = least(size, self._product(digits[first:]))
        whole = floor(size / inner)
        rest = size - whole * inner
        return whole * self._different(inside, inner, wanted) + self._different(inside, rest, wanted)

    def _product(self, digits: Iterable[str]) -> sympy.Expr:
        return _product([self.sizes[digit] for digit in digits])

    def tile(self, root: Root, digits: Collection[str]) -> sympy.Expr:
        """Return the size of the tiles of *root* that *digits* count: all that lies inside the innermost of them."""
        part = self.part(root)
        inside = [position for position, digit in enumerate(part.digits) if digit in digits]
        return self._product(part.digits[inside[-1] + 1 :]) if inside else part.size

    def held_to_tiles(self, most: sympy.Expr, digits: Collection[str], loops: Collection[str]) -> sympy.Expr:
        """Return the elements along *digits* of a tile inside *loops*, no more than *most*: on average over all tiles.

        Along digits of several roots (a window), *most*.
        """
        roots = [root for root in self.nest.roots.values() if set(self.part(root).digits) & set(digits)]
        if len(roots) > 1:
            return most

        def held(size: sympy.Expr) -> sympy.Expr:
            return size if most == sympy.oo else least(most, size)

        if not roots:
            return held(ONE)
        part = self.part(roots[0])
        outer = [digit for digit in part.digits if digit in loops and digit in digits]
        if not outer or tuple(outer) != part.digits[: len(outer)]:
            return held(self.covered(roots[0], set(digits) - set(loops)))
        tile = self._product(part.digits[len(outer) :])
        whole, tiles = floor(part.size / tile), ceildiv(part.size, tile)
        if tile == 1:
            return held(ONE)
        return (whole * held(tile) + (tiles - whole) * held(part.size - whole * tile)) / tiles

    def pieces(self, root: Root, digits: Collection[str]) -> Pieces:
        """Return the kinds of tiles of *root* that its *digits* number: how many of each kind, and what is inside one.

        A kind that does not occur has the count 0. Tiles are whole or the last, ragged one; a digit with others of its root
        around it, that are not held still, has a third kind: those after the ragged one.
        """
        key = ("pieces", root.name, *(digit for digit in self.part(root).digits if digit in digits))
        return self.once(key, lambda: self._pieces(root, digits))

    def _pieces(self, root: Root, digits: Collection[str]) -> Pieces:
        part = self.part(root)
        position = next((n for n, digit in enumerate(part.digits) if digit in digits), None)
        if position is None:
            return ((ONE, self),)
        found: list[tuple[sympy.Expr, Extents]] = []
        rest = (*part.digits[:position], *part.digits[position + 1 :])
        for count, size in self._kinds(part, position):
            held = replace(self, parts={**self.parts, root.name: Part(rest, size)})
            found += [(count * times, inside) for times, inside in held.pieces(root, digits)]
        return tuple(found)

    def _kinds(self, part: Part, position: int) -> tuple[tuple[sympy.Expr, sympy.Expr], ...]:
        """Return the values of a digit of *part* by what they hold: how many values, and how many elements each."""
        inner = self._product(part.digits[position + 1 :])
        if position == 0:
            if inner == 1:
                return ((part.size, ONE),)
            whole = floor(part.size / inner)
            return ((whole, inner), (ceildiv(part.size, inner) - whole, part.size - whole * inner))
        around = inner * self.sizes[part.digits[position]]
        turns = floor(part.size / around)
        rest = part.size - turns * around
        whole, tiles = floor(rest / inner), ceildiv(rest, inner)
        others = at_most(1, turns) * (self.sizes[part.digits[position]] - tiles)
        return (
            (whole, (turns + 1) * inner),
            (tiles - whole, turns * inner + rest - whole * inner),
            (others, turns * inner),
        )

    def at_first(self, digit: str) -> Extents:
        """Return the extents in the first iteration of the loop over *digit*: nowhere is there more."""
        root = self.nest.root_of(digit)
        part = self.part(root)
        position = part.digits.index(digit)
        inner = self._product(part.digits[position + 1 :])
        turns = floor(part.size / (inner * self.sizes[digit])) if position else sympy.Integer(0)
        rest = part.size - turns * inner * self.sizes[digit] if position else part.size
        held = Part(
            (*part.digits[:position], *part.digits[position + 1 :]), turns * inner + least(rest, inner)
        )
        return replace(self, parts={**self.parts, root.name: held})

    def turns(self, digit: str) -> bool:
        """Return whether the loop over *digit* is not held still."""
        return digit in self.part(self.nest.root_of(digit)).digits

    def trips(self, digit: str) -> sympy.Expr:
        """Return the number of iterations of the loop over *digit* alone."""
        return self.covered(self.nest.root_of(digit), (digit,))

    def least_turns(self, loops: Collection[str], around: Collection[str]) -> sympy.Expr:
        """Return how often *loops* turn together in the last iteration of those *around* them: no less elsewhere."""
        result: sympy.Expr = ONE
        for root in self.nest.roots.values():
            names, size = self.part(root).digits, self.part(root).size
            own = [name for name in names if name in loops]
            if own:
                first = self._first(names, own[0], around)
                tile = self._product(names[first:]) if first else size
                rest = size - (ceildiv(size, tile) - 1) * tile if first else size
                result *= self._different(names[first:], rest, own)
        return result

    def _first(self, names: tuple[str, ...], digit: str, around: Collection[str]) -> int:
        """Return where the digits begin that are in a tile with *digit*: with it, those outside of it that have no loop."""
        first = names.index(digit)
        while first > 0 and names[first - 1] not in around:
            first -= 1
        return first

    def points(self, digits: Collection[str]) -> sympy.Expr:
        """Return how many different points *digits* (of any roots) take together."""
        key = ("points", *sorted(digits))
        found = self.known.get(key)
        if found is None:
            factors = [self.covered(root, digits) for root in self.nest.roots.values()]
            found = self.known[key] = _product(factors)
        return found

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
        loops = tuple(loop for loop in loops if self.turns(loop))
        return self.once(("moved", frozenset(mine), loops, stays), lambda: self._words(mine, loops, stays))

    def _words(self, mine: Collection[str], loops: tuple[str, ...], stays: bool) -> sympy.Expr:
        if stays and self._depends(set(mine), loops):
            return self._kept(set(mine), loops)
        held = self._to_hold(set(mine), loops) if stays else None
        if held is not None:
            kinds = self.pieces(self.nest.roots[held], mine)
            return sum(
                (count * inside.moved(mine, loops, stays=True) for count, inside in kinds), sympy.Integer(0)
            )
        own = set(mine)
        return _product([self._moved(root, own, loops, stays) for root in self.nest.roots.values()])

    def _moved(self, root: Root, mine: set[str], loops: tuple[str, ...], stays: bool) -> sympy.Expr:
        of_root = set(self.part(root).digits)
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
        parts = {name: self.part(root).digits for name, root in self.nest.roots.items()}
        roots = [name for name, digits in parts.items() if mine & set(digits)]
        if any(self.nest.root_of(loop).name in roots for loop in foreign):
            return False
        inner = [own for loop in foreign for own in self._own_inside(mine, loops, loop).items()]
        if any(digit not in mine for root, own in inner for digit in _up_to(parts[root], own[0])):
            return False
        return any(parts[root][0] not in own for root, own in inner)

    def _to_hold(self, mine: set[str], loops: tuple[str, ...]) -> str | None:
        """Return a root of which the tensor carries a part whose loops stand outside of all loops that are not its own.

        Only where a tile may stay in some places and not in others once those loops are held still: see :meth:`_depends`.
        """
        foreign = [loop for loop in loops if loop not in mine]
        outside = set(loops[: loops.index(foreign[0])]) if foreign else set[str]()
        shared = {
            root.name: Part(tuple(d for d in self.part(root).digits if d not in mine), self.part(root).size)
            for root in map(self.nest.root_of, foreign)
            if mine & set(self.part(root).digits) and mine & set(self.part(root).digits) <= outside
        }
        if not shared or not replace(self, parts={**self.parts, **shared})._depends(mine, loops):
            return None
        return next(iter(shared))

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
            around = loops[: loops.index(loop)]
            alone = self._alone(mine, self._own_inside(mine, loops, loop), around)
            result -= alone * (times[number + 1] - times[number])
        return result

    def _alone(self, mine: set[str], inside: Mapping[str, list[str]], around: Collection[str]) -> sympy.Expr:
        """Return the elements in whose place, in the loops *around*, each of those *inside* has a single iteration."""
        result: sympy.Expr = ONE
        for root in self.nest.roots.values():
            own = inside.get(root.name)
            result *= self._alone_in(root, own, mine, around) if own else self.covered(root, mine)
        return result

    def _alone_in(self, root: Root, own: list[str], mine: set[str], around: Collection[str]) -> sympy.Expr:
        names, size = self.part(root).digits, self.part(root).size
        first = self._first(names, own[0], around)  # a digit without a loop is in the tile, all of it
        if first == 0:
            return self._single(names, own, size) * self.covered(root, mine)
        if any(name not in around for name in names[:first]):  # so is one outside of a digit with a loop
            kinds = self.pieces(root, [name for name in names if name in around])
            return sympy.Add(*(count * inside._alone_in(root, own, mine, ()) for count, inside in kinds))
        inside, tile = names[first:], self._product(names[first:])
        whole = ceildiv(size, tile) - 1
        rest = size - whole * tile
        many, one = self._different(inside, tile, mine), self._different(inside, rest, mine)
        return self._single(inside, own, tile) * whole * many + self._single(inside, own, rest) * one

    def _single(self, names: tuple[str, ...], own: Collection[str], size: sympy.Expr) -> sympy.Expr:
        """Return 1 if the *own* ones of digits *names* take a single value in *size* elements, else 0."""
        single: sympy.Expr = ONE
        for first, last in _runs([name in own for name in names]):
            held = size if first == 0 else least(size, self._product(names[first:]))
            single *= at_most(held, self._product(names[last + 1 :]))
        return single


def extents_of(nest: Nest, sizes: Mapping[str, sympy.Expr]) -> Extents:
    """Return the extents of *nest*, with what was asked before of nests that have the same roots, whatever their loops."""
    found = Extents(nest, sizes)
    object.__setattr__(found, "known", asked_before(nest.outline, tuple(sizes.items())))
    return found


@lru_cache(maxsize=64)
def asked_before(roots: Outline, sizes: tuple[tuple[str, sympy.Expr], ...]) -> Known:
    """Return what holds the answers for these *roots* and *sizes* of digits."""
    return {}


def _product(factors: Iterable[sympy.Expr]) -> sympy.Expr:
    """Return the product of *factors*; ones cost nothing."""
    result: sympy.Expr = ONE
    for factor in factors:
        if factor is not ONE:
            result = factor if result is ONE else result * factor
    return result


def _up_to(digits: tuple[str, ...], one: str) -> tuple[str, ...]:
    return digits[: digits.index(one) + 1]


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
    return nest.digits_of(variables)


def access_digits(nest: Nest, access: Access) -> frozenset[str]:
    """Return the digits that the indices of *access* use, gathers included."""
    return digits_of(nest, (name for index in access.indices for name in names(index) if is_variable(name)))
