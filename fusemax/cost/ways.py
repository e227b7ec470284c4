"""One tensor under several names: the union of what its accesses mean, where two variables run over one rank.

``X[d,s]`` and ``X[d,p]`` are two *ways* to one tensor. A tile holds what any way means: nothing twice where one means
all that another does, or where both mean the same tile for a while.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

import sympy

from fusemax.cascade.ir import affine, is_variable
from fusemax.cost.extents import Extents, digits_of
from fusemax.cost.symbols import greatest, to_sympy
from fusemax.language.syntax import Access, Expression, Name, names, walk
from fusemax.mapping.nest import Nest

#: For each dimension of a tensor, the digits by which a way moves along it.
Way = tuple[frozenset[str], ...]
#: Instead of a dimension: how many accesses of a way more there are whose elements other tensors name, each its own.
NAMED = -1
#: For each way and dimension, by how much each of several accesses is shifted against the one before.
Shifts = Mapping[Way, Mapping[int, tuple[sympy.Expr, ...]]]


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a union: tiles with *digits*, of the loops without *dropped*.

    *changing* are loops of other ways that take the tile away.
    """

    digits: frozenset[str]
    changing: frozenset[str]
    dropped: frozenset[str]


def ways_of(nest: Nest, accesses: Iterable[Access], without: int | None = None) -> tuple[Way, ...]:
    """Return the different ways of *accesses* to one tensor, but for the dimension *without*."""
    found = [
        tuple(
            digits_of(nest, (name for name in names(index) if is_variable(name)))
            for place, index in enumerate(access.indices)
            if place != without
        )
        for access in accesses
    ]
    return tuple(dict.fromkeys(found))


def shifts_of(nest: Nest, accesses: Iterable[Access], without: int | None = None) -> Shifts:
    """Return, for each way, by how much each of its accesses is shifted against the one before, along a dimension.

    ``RM[m1,p]`` and ``RM[m1+1,p]``, or ``Q[a]`` and ``Q[a+A]``: a tile holds so many elements more, or twice as many if they
    are further apart than it is long. Infinite where the places of two accesses never meet (``X[2*a]`` and ``X[2*a+1]``).
    """
    found: dict[Way, dict[int, list[tuple[sympy.Expr, sympy.Expr]]]] = {}
    accesses = list(dict.fromkeys(accesses))
    if len(accesses) < 2:
        return {}
    for access in accesses:
        (way,) = ways_of(nest, (access,), without)
        kept = [index for place, index in enumerate(access.indices) if place != without]
        for place, index in enumerate(kept):
            terms = affine(index)
            if terms is not None:
                start = sympy.Integer(0) if terms[1] is None else to_sympy(terms[1])
                step, *others = terms[0].values() or (None,)
                scale = sympy.Integer(1) if step is None or others else to_sympy(step)
                found.setdefault(way, {}).setdefault(place, []).append((start, scale))
    shifts: dict[Way, dict[int, tuple[sympy.Expr, ...]]] = {}
    for way, places in found.items():
        for place, starts in places.items():
            different = dict(starts)
            if len(different) > 1:
                shifts.setdefault(way, {})[place] = _gaps(list(different), starts[0][1])
    for way, several in _named(nest, accesses, without).items():
        if len(several) > 1:
            shifts.setdefault(way, {})[NAMED] = (sympy.Integer(len(several) - 1),)
    return shifts


def _named(
    nest: Nest, accesses: Iterable[Access], without: int | None
) -> dict[Way, set[tuple[Expression, ...]]]:  # fmt: skip
    """Return for each way the different indices in which another tensor names elements (``K[e,T[p,j]]``)."""
    found: dict[Way, set[tuple[Expression, ...]]] = {}
    for access in accesses:
        naming = tuple(i for i in access.indices if any(isinstance(part, Access) for part in walk(i)))
        if naming:
            (way,) = ways_of(nest, (access,), without)
            found.setdefault(way, set()).add(naming)
    return found


def _gaps(starts: list[sympy.Expr], step: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """Return how far each of *starts* is from the one before, in *steps*; of several in an order not known the whole span."""
    ordered = _in_order(starts)
    if ordered is None:
        span = greatest(*starts) + greatest(*(-start for start in starts))
        return (span,) if len(starts) > 2 else (greatest(starts[0] - starts[1], starts[1] - starts[0]),)
    gaps = [sympy.expand(after - before) for before, after in pairwise(ordered)]
    return tuple(gap / step if (gap / step).is_integer or step == 1 else sympy.oo for gap in gaps)


def _in_order(starts: list[sympy.Expr]) -> list[sympy.Expr] | None:
    """Return *starts*, the least one first; None where that is not known."""
    ordered: list[sympy.Expr] = []
    for start in starts:
        signs = [sympy.expand(start - other).is_positive for other in ordered]
        if None in signs:
            return None
        ordered.insert(signs.count(True), start)
    return ordered


def makes(nest: Nest, output: Access, access: Access, loops: Collection[str]) -> bool:
    """Return whether what is written as *output* inside *loops* is all that *access* means: the same, or all of a rank."""
    if output.tensor != access.tensor:
        return False
    ((made,), (read,)) = (ways_of(nest, (one,)) for one in (output, access))
    around = frozenset(loops)
    sides = zip(output.indices, access.indices, made, read, strict=True)
    return all(
        a == b or (mine != other and not mine & around) or fills(nest, mine, other, around)
        for a, b, mine, other in sides
    )


def digits_of_way(way: Way) -> frozenset[str]:
    """Return all digits of *way*."""
    return frozenset[str]().union(*way)


def repeated_in(way: Way) -> frozenset[tuple[int, int]]:
    """Return the pairs of dimensions along which one rank moves *way* (``X[p,p]``)."""
    return frozenset((i, j) for (i, a), (j, b) in combinations(enumerate(way), 2) if a & b)


def distinct(nest: Nest, ways: Collection[Way], loops: Collection[str]) -> tuple[Way, ...]:
    """Return *ways* without those of which another means all, with *loops* held still."""
    around = frozenset(loops)
    found: list[Way] = []
    for way in ways:
        if any(_holds(nest, other, way, around) for other in found):
            continue
        found = [other for other in found if not _holds(nest, way, other, around)] + [way]
    return tuple(found)


def are_diagonals(accesses: Collection[Access]) -> bool:
    """Return whether each of *accesses* has one name in all dimensions in which they differ (``X[p,p]`` and ``X[w,w]``)."""
    apart = [
        column for column in zip(*(one.indices for one in accesses), strict=True) if len(set(column)) > 1
    ]
    names = all(isinstance(index, Name) for column in apart for index in column)
    return len(apart) > 1 and names and all(len(set(each)) == 1 for each in zip(*apart, strict=True))


def _holds(nest: Nest, one: Way, other: Way, loops: frozenset[str]) -> bool:
    sides = list(zip(one, other, strict=True))
    for (a, b), (c, d) in combinations(sides, 2):
        if a & c and not ((a == c and b == d) or (a == b and c == d)):
            return False  # a rank in two dimensions is no product of both
    return all(a == b or not a & loops or fills(nest, a, b, loops) for a, b in sides)


def fills(nest: Nest, one: frozenset[str], other: frozenset[str], loops: frozenset[str]) -> bool:
    """Return whether *one* means the whole tile of a rank in which *other* lies (``n1*N0+n0`` and ``n1*N0+u``, n1 a loop).

    Either may do so with the digits of that rank, or with another one that is as long as the tile (``U: N0``).
    """
    common, rest = one & other, one - other
    for root in nest.roots.values():
        names = [digit.name for digit in root.digits]
        if common and common == frozenset(names[: len(common)]):
            tile = frozenset(names[len(common) :])
            alike = (r.digits for r in nest.roots.values() if nest.digits_of(r.as_long_as) == tile)
            whole = {tile, *(frozenset(digit.name for digit in digits) for digits in alike)}
            return bool(rest) and rest in whole and not rest & loops
    return False


def terms_of(
    extents: Extents, ways: Collection[Way], loops: Collection[str],
    shifts: Shifts | None = None, spread: Collection[str] = (),
) -> Iterator[tuple[sympy.Expr, Term]]:  # fmt: skip
    """Yield the parts of the union of *ways* inside *loops*: each way, less what two have in common, and so on.

    With each comes how often it counts: once, or by how much the accesses of a way are shifted, for what that adds. What two
    have in common is told so that tasks, numbered by the loops *spread*, can count what they hold of it.
    """
    left = distinct(extents.nest, ways, loops)
    around = frozenset(loops)
    held = frozenset(loop for loop in around if loop in spread or not extents.turns(loop))
    changing = frozenset[str]().union(*(digits_of_way(way) & around for way in left))
    for count in range(1, len(left) + 1):
        for chosen in combinations(left, count):
            met = _meeting(chosen, around, held)
            if met is not None:
                way, dropped = met
                digits = digits_of_way(way)
                sign = sympy.Integer(1 if count % 2 else -1)
                yield sign, Term(digits, changing - dropped, dropped)
                if count == 1:
                    for place, gaps in (shifts or {}).get(chosen[0], {}).items():
                        if place == NAMED:
                            yield gaps[0], Term(digits, changing - dropped, dropped)
                            continue
                        edge = digits - (way[place] - around)
                        for gap in gaps:
                            added = extents.held_to_tiles(gap, way[place], around)
                            yield added, Term(edge, changing - dropped, dropped)


def _meeting(
    chosen: tuple[Way, ...], loops: frozenset[str], held: frozenset[str]
) -> tuple[Way, frozenset[str]] | None:
    """Return what *chosen* ways have in common, and the loops over which they meet but once; None when they seldom do.

    Two tiles that loops hold still in one dimension, each by loops of its own, meet once in each element; of one whose loops
    are *held*, in each element that it has.
    """
    way, *others = chosen
    dropped: frozenset[str] = frozenset()
    for other in others:
        sides = [_side(a, b, loops, held) for a, b in zip(way, other, strict=True)]
        way = tuple(side for side, _ in sides)
        dropped = dropped.union(*(lost for _, lost in sides))
    return None if dropped & digits_of_way(way) else (way, dropped)


def _side(
    one: frozenset[str], other: frozenset[str], loops: frozenset[str], held: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    if one == other or not other & loops:
        return one, frozenset()
    if not one & loops:
        return other, frozenset()
    if other & held and not one & held:
        return other, (one - other) & loops
    return one, (other - one) & loops
