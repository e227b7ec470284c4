"""One tensor under several names: the union of what its accesses mean, where two variables run over one rank.

``X[d,s]`` and ``X[d,p]`` are two *ways* to one tensor. A tile holds what any way means: nothing twice where one means
all that another does, or where both mean the same tile for a while.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from fusemax.cascade.ir import is_variable
from fusemax.cost.extents import digits_of
from fusemax.language.syntax import Access, names
from fusemax.mapping.nest import Nest

#: For each dimension of a tensor, the digits by which a way moves along it.
Way = tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a union: add or take away (*sign*) tiles with *digits*, of the loops without *dropped*.

    *changing* are loops of other ways that take the tile away.
    """

    sign: int
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


def digits_of_way(way: Way) -> frozenset[str]:
    """Return all digits of *way*."""
    return frozenset[str]().union(*way)


def distinct(ways: Collection[Way], loops: Collection[str]) -> tuple[Way, ...]:
    """Return *ways* without those of which another means all, with *loops* held still."""
    found: list[Way] = []
    for way in ways:
        if any(_holds(other, way, loops) for other in found):
            continue
        found = [other for other in found if not _holds(way, other, loops)] + [way]
    return tuple(found)


def _holds(one: Way, other: Way, loops: Collection[str]) -> bool:
    return all(a == b or not a & set(loops) for a, b in zip(one, other, strict=True))


def terms_of(ways: Collection[Way], loops: Collection[str]) -> Iterator[Term]:
    """Yield the parts of the union of *ways* inside *loops*: each way, less what two have in common, and so on."""
    left = distinct(ways, loops)
    around = frozenset(loops)
    changing = frozenset[str]().union(*(digits_of_way(way) & around for way in left))
    for count in range(1, len(left) + 1):
        for chosen in combinations(left, count):
            met = _meeting(chosen, around)
            if met is not None:
                way, dropped = met
                digits = digits_of_way(way)
                yield Term(1 if count % 2 else -1, digits, changing - dropped, dropped)


def _meeting(chosen: tuple[Way, ...], loops: frozenset[str]) -> tuple[Way, frozenset[str]] | None:
    """Return what *chosen* ways have in common, and the loops over which they meet but once; None when they seldom do.

    Two tiles that loops hold still in one dimension, each by loops of its own, meet once in each element.
    """
    way, *others = chosen
    dropped: frozenset[str] = frozenset()
    for other in others:
        sides = [_side(a, b, loops) for a, b in zip(way, other, strict=True)]
        way = tuple(side for side, _ in sides)
        dropped = dropped.union(*(lost for _, lost in sides))
    return None if dropped & digits_of_way(way) else (way, dropped)


def _side(
    one: frozenset[str], other: frozenset[str], loops: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    if one == other or not other & loops:
        return one, frozenset()
    if not one & loops:
        return other, frozenset()
    return one, other & loops
