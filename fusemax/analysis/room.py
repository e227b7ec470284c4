"""How many coordinates conditions leave along a fibre, counted on a few ranks: none, one, or several.

Conditions that contradict each other, or leave one place together (``m > p, m < 2``), have no simple form. Whatever they are,
what is left of them can be counted where each rank has a few coordinates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from fusemax.analysis.barriers import Corner, sweep_of
from fusemax.analysis.members import Visit
from fusemax.analysis.plain import Node, Plain, sequence
from fusemax.analysis.sums import Sum

SHAPES = ((4, 2), (6, 3), (6, 2))  #: coordinates of a rank, and of a tile of one in tiles
SEVERAL = 2
MOST = 4  #: variables that conditions leave free, at most; more are taken to have room


class Room:
    """Counts what conditions leave in a cascade."""

    def __init__(self, form: Plain) -> None:
        self.form = form
        ways = list(form.digits.values())
        ways += [
            tuple(name.upper() for name in parts)
            for node in form.nodes
            for one in _sums(node)
            for parts, _ in one.weights
            if len(parts) > 1
        ]
        inner = {sequence(form.cascade, parts[-1]) for parts in ways}
        outer = {sequence(form.cascade, part) for parts in ways for part in parts[:-1]}
        names = {name for node in form.nodes for name in node.variables}
        own = frozenset(name for name in names if sequence(form.cascade, name.upper()) in inner)
        others = frozenset(name for name in names if sequence(form.cascade, name.upper()) in outer)
        self._extents = _Extents(own, others - own)

    def left(self, visit: Visit, corner: Corner) -> int:
        """Return how many coordinates along the fibre conditions leave a visit at *corner*: 0, 1 or 2, for several."""
        node, sweep = self.form.nodes[visit.number], sweep_of(visit)
        sums = _sums(node)
        names = {
            name: sweep.standing(name, corner) for one in sums for parts, _ in one.weights for name in parts
        }
        placed = {name: place for name, place in names.items() if place is not None}
        tiled = self._extents.only(names) != _Extents(frozenset(), frozenset())
        if not sums or len(names) - len(placed) > MOST or (tiled and corner.side == "middle"):
            return SEVERAL
        free = [name for name in names if name not in placed]
        return min(
            max(
                (
                    _left(sums, at, free, visit.variables, self._extents, shape)
                    for at in self._ways(placed, corner, shape)
                ),
                default=0,
            )
            for shape in SHAPES[: None if tiled else 2]
        )

    def anywhere(self, node: Node, along: Sequence[str], fixed: Collection[str] = ()) -> int:
        """Return how many coordinates *along* conditions leave the tasks of an Einsum at least, wherever *fixed* ones are."""
        sums = _sums(node)
        names = dict.fromkeys(name for one in sums for parts, _ in one.weights for name in parts)
        if not sums or len(names) > MOST:
            return SEVERAL
        held = tuple(name for name in names if name in fixed)
        free = tuple(name for name in names if name not in fixed)
        return _anywhere(tuple(sums), held, free, tuple(along), self._extents.only(names))

    def _ways(
        self, placed: Mapping[str, int], corner: Corner, shape: tuple[int, int]
    ) -> Iterator[Mapping[str, int]]:
        """Return the coordinates at which variables may stand that are so far from the corner."""
        extents = {name: self._extents.of(name, shape) for name in placed}
        for middle in range(1, shape[0] - 1) if corner.side == "middle" else (0,):
            ends = {name: extent - 1 if corner.side == "end" else middle for name, extent in extents.items()}
            found = {name: ends[name] + place for name, place in placed.items()}
            if all(0 <= found[name] < extent for name, extent in extents.items()):
                yield found


@dataclass(frozen=True, slots=True)
class _Extents:
    """How many coordinates a variable has: of a tile those of *inner*, of tiles those of *outer*."""

    inner: frozenset[str]
    outer: frozenset[str]

    def of(self, name: str, shape: tuple[int, int]) -> int:
        whole, tile = shape
        return tile if name in self.inner else whole // tile if name in self.outer else whole

    def only(self, names: Collection[str]) -> _Extents:
        return _Extents(self.inner.intersection(names), self.outer.intersection(names))


@lru_cache(maxsize=4096)
def _anywhere(
    sums: tuple[Sum, ...],
    held: tuple[str, ...],
    free: tuple[str, ...],
    along: tuple[str, ...],
    extents: _Extents,
) -> int:
    """Return how many coordinates *along* meet *sums* at least, wherever the *held* variables are."""

    def most(shape: tuple[int, int]) -> int:
        places = product(*(range(extents.of(name, shape)) for name in held))
        return max(
            _left(sums, dict(zip(held, at, strict=True)), free, along, extents, shape) for at in places
        )

    return min(map(most, SHAPES))


def _left(
    sums: Sequence[Sum],
    at: Mapping[str, int],
    free: Sequence[str],
    along: Sequence[str],
    extents: _Extents,
    shape: tuple[int, int],
) -> int:
    """Return how many coordinates *along* meet *sums* for some place of the other *free* variables: 0, 1, or 2."""

    def extent(name: str) -> int:
        return extents.of(name, shape)

    found: set[tuple[int, ...]] = set()
    for places in product(*(range(extent(name)) for name in free)):
        everything = {**at, **dict(zip(free, places, strict=True))}
        if all(one.holds(everything, extent) for one in sums):
            found.add(tuple(everything[name] for name in along if name in everything))
            if len(found) == SEVERAL:
                break
    loose = not set(along) <= {*at, *free}
    return SEVERAL if found and loose else len(found)


def _sums(node: Node) -> list[Sum]:
    return [one.total for one in node.filters if one.total is not None]
