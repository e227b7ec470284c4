"""Loops that always turn together counted as one, so that a run has fewer to step through."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from fusemax.analysis.work import operations
from fusemax.cascade.ir import is_variable
from fusemax.language.syntax import Access, Name, names
from fusemax.mapping.nest import Mapped, Nest
from fusemax.simulate.tile.geometry import Geometry, access_digits, digits_of
from fusemax.simulate.tile.parts import parted


def together(mapped: Mapped, nest: Nest, geometry: Geometry, dealt: Collection[str]) -> Geometry:
    """Return *geometry* with loops that always turn together counted as one, the inner: the heads of all sequences, for one.

    *dealt* are the loops that number tasks: of two loops only one of which is dealt to cores, each stays what it is.

    Two whole ranks, one loop inside the other everywhere, that every tensor, operation and dimension of a unit carries both or
    neither, name the same tiles as one rank of all their pairs and another of size 1.
    """
    sizes = dict(geometry.sizes)
    tied = _tied(mapped, nest)
    first = max((body.loops for body in nest.bodies), key=len)
    for one, other in pairwise(first):
        whole = all(len(nest.root_of(loop).digits) == 1 for loop in (one, other))
        inside = all(_both_or_neither(loops, one, other) for loops in _places(nest))
        free = not {one, other} & tied
        if (
            whole
            and inside
            and free
            and all((one in used) == (other in used) for used in _uses(mapped, nest, dealt))
        ):
            sizes[other] *= sizes[one]
            sizes[one] = 1
    return Geometry(nest, sizes, geometry.tiles)


def _both_or_neither(loops: Sequence[str], one: str, other: str) -> bool:
    """Return whether *loops* hold *one* with *other* next inside it, or neither."""
    if one not in loops or other not in loops:
        return one not in loops and other not in loops
    return loops.index(other) == loops.index(one) + 1


def _places(nest: Nest) -> Iterator[tuple[str, ...]]:
    """Yield the loops around everything that is done or kept."""
    yield from (body.loops for body in nest.bodies)
    yield from (residence.loops for residence in nest.residences)


def _uses(mapped: Mapped, nest: Nest, dealt: Collection[str]) -> Iterator[frozenset[str]]:
    """Yield the digits that go together in each access, operation and deal of tasks, and along each dimension of a unit."""
    yield frozenset(dealt)
    for body in nest.bodies:
        for along in body.spatial.values():
            yield from (frozenset(d for d in along if along[d] == side) for side in set(along.values()))
        for name in body.einsums:
            einsum = mapped.einsum(name)
            yield from (access_digits(nest, access) for access in (*einsum.reads, *einsum.outputs))
            yield digits_of(nest, einsum.reduced)
            yield from (digits_of(nest, o.variables) for o in operations(mapped.cascade, einsum))


def _tied(mapped: Mapped, nest: Nest) -> frozenset[str]:
    """Return the digits whose values matter, not only their number.

    So do those of conditions, of sums in an index, of generations, and of several names for places in one dimension.
    """
    found = set(_named_apart(mapped, nest))
    for body in nest.bodies:
        for name in body.einsums:
            einsum = mapped.einsum(name)
            texts = [side for c in einsum.conditions for side in (c.left, c.right)]
            texts += [
                i for access in einsum.reads for i in access.indices if not isinstance(i, Name | Access)
            ]
            texts += [i for access in einsum.reads if parted(mapped, nest, access) for i in access.indices]
            found |= digits_of(nest, (n for text in texts for n in names(text) if is_variable(n)))
            found |= digits_of(nest, [einsum.loop] if einsum.loop is not None else [])
    return frozenset(found)


def _named_apart(mapped: Mapped, nest: Nest) -> Iterator[str]:
    """Yield the digits of indices that differ among the accesses to one tensor (``X[p,w]`` and ``X[w,p]``): they may meet."""
    einsums = (mapped.einsum(name) for body in nest.bodies for name in body.einsums)
    accesses: dict[str, list[Access]] = {}
    for access in (access for einsum in einsums for access in (*einsum.reads, *einsum.outputs)):
        accesses.setdefault(access.tensor, []).append(access)
    for several in accesses.values():
        for column in zip(*(access.indices for access in several), strict=True):
            if len(set(column)) > 1:
                yield from digits_of(nest, (n for index in column for n in names(index) if is_variable(n)))
