"""How many elements the largest tile of a kept tensor has: each once, whatever accesses mean it, none beyond the tensor."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from fusemax.cascade.ir import Tensor, affine, is_variable
from fusemax.language.syntax import Access, Expression, Name, names
from fusemax.language.value import finite_value_of
from fusemax.mapping.nest import Mapped, Residence
from fusemax.simulate.tile.geometry import (
    Geometry,
    access_digits,
    digits_of,
    generation_digits,
    is_gather,
    produced_inside,
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where an index goes while the loops around a tile stand: ``count`` places from ``start`` on at most, ``step`` apart.

    ``standing`` are the digits that those loops fix, and ``free`` the others, each with its factor. ``even``: no place between
    is left out, and it does not matter what moves the index.
    """

    standing: tuple[tuple[str, int], ...]
    free: tuple[tuple[str, int], ...]
    start: int
    count: int
    step: int
    even: bool

    @property
    def kind(self) -> tuple[object, ...]:
        """What is the same of indices that may be at the same places."""
        return (self.standing, self.start % self.step) if self.even else (self.standing, self.free)


def tile_words(
    mapped: Mapped, geometry: Geometry, known: Mapping[str, float], residence: Residence,
    seen: Mapping[str, int] | None = None,
) -> int:  # fmt: skip
    """Return the most elements of a tile of *residence*; *known* are sizes by name, *seen* the most of a root by its name.

    Where a running value is made one generation is there at a time; where it is only read, all that are.
    A window ``p + w`` over ranges of a and b has a + b - 1 places, not a*b. Of several accesses no more than all together
    mean, and in no dimension more than the union of their places there, or than the tensor has.
    """
    tensor = mapped.cascade.tensors[residence.tensor]
    accesses = {
        access
        for body in geometry.nest.bodies if residence.covers(body.node)
        for einsum in map(mapped.einsum, body.einsums)
        for access in (*einsum.reads, *einsum.outputs) if access.tensor == residence.tensor
    }  # fmt: skip
    made = produced_inside(mapped, geometry.nest, residence)
    fixed = {*residence.loops, *(generation_digits(mapped.cascade, residence.tensor) if made else ())}
    seen = seen or {}
    sizes = {**known, **{digit.upper(): float(size) for digit, size in geometry.tiles.items()}}
    sides: list[list[int]] = []
    unions: list[tuple[str, int]] = []
    for dim, rank in enumerate(tensor.ranks):
        if rank == tensor.generation and made:
            continue
        indices = [access.indices[dim] for access in accesses]
        most = (
            math.inf
            if any(map(is_gather, indices))
            else sizes.get(rank, math.inf) + (rank == tensor.generation)
        )
        places = [_seen(_places(geometry, index, fixed, sizes), geometry, seen) for index in indices]
        sides.append([int(min(most, one.count)) for one in places])
        union = sum(_union(alike) for alike in _alike(places))
        unions.append((rank, int(min(most, union))))
    alone = (math.prod(side[n] for side in sides) for n in range(len(accesses)))
    each = sum(
        min(one, _points(geometry, access, fixed)) for one, access in zip(alone, accesses, strict=True)
    )
    return min(_together(geometry, fixed, tensor, accesses, unions), each)


def _together(
    geometry: Geometry, fixed: Collection[str], tensor: Tensor, accesses: Collection[Access],
    unions: Sequence[tuple[str, int]],
) -> int:  # fmt: skip
    """Return the elements along all ranks, *unions* along each: of ranks that number a root in chunks no more than it has."""
    together = math.prod(union for _, union in unions)
    for root in geometry.nest.roots.values():
        digits = {digit.size_name: digit.name for digit in root.digits}
        both = [union for rank, union in unions if rank in digits]
        if len(digits) == len(both) > 1:
            standing = {
                digit for rank, digit in digits.items()
                if digit in fixed and all(a.indices[tensor.ranks.index(rank)] == Name(digit) for a in accesses)
            }  # fmt: skip
            there = geometry.points({*digits.values()} - standing, {})
            together = min(together, together // max(1, math.prod(both)) * there)
    return together


def _seen(places: Places, geometry: Geometry, seen: Mapping[str, int]) -> Places:
    """Return *places* with no more of them than *seen* says, where what moves the index is of one root that is named there."""
    roots = {geometry.nest.root_of(digit).name for digit, _ in places.free}
    most = seen.get(roots.pop(), math.inf) if len(roots) == 1 else math.inf
    return replace(places, count=int(most)) if most < places.count else places


def _points(geometry: Geometry, access: Access, fixed: Collection[str]) -> int:
    return geometry.points(access_digits(geometry.nest, access) - set(fixed), {})


def _places(
    geometry: Geometry, index: Expression, fixed: Collection[str], sizes: Mapping[str, float]
) -> Places:
    """Return where *index* goes while the digits *fixed* stand; what is no sum of ranks may be at as many places as points."""
    digits = digits_of(geometry.nest, (name for name in names(index) if is_variable(name))) - set(fixed)
    pairs = geometry.points(digits, {})
    parts = None if is_gather(index) else affine(index)
    if parts is None:
        return Places(((str(index), 1),), (), 0, pairs, 1, even=False)
    factors, rest = parts
    start = 0 if rest is None else round(finite_value_of(rest, sizes))
    terms = tuple(
        (name, 1 if factor is None else round(finite_value_of(factor, sizes)))
        for name, factor in sorted(factors.items())
    )
    reach, step = 0, 0
    for name, factor in terms:
        far, unit = _moved(geometry, name, digits)
        reach += abs(factor) * far
        step = math.gcd(step, factor * unit)
        start += min(factor, 0) * far  # where a falling index is lowest
    places = reach // step + 1 if step else 1
    turning = [(d, by) for d, by in _turning(geometry, terms) if geometry.points([d], {}) > 1]
    standing = tuple((digit, factor) for digit, factor in turning if digit not in digits)
    free = tuple((digit, factor) for digit, factor in turning if digit in digits)
    return Places(standing, free, start, min(pairs, places), step or 1, even=places <= pairs)


def _turning(geometry: Geometry, terms: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the digits of *terms*, each with its factor."""
    found: list[tuple[str, int]] = []
    for name, factor in terms:
        root = geometry.nest.roots.get(name)
        digits = [name] if root is None else [digit.name for digit in root.digits]
        found += [(d, factor * (1 if root is None else geometry.unit(d))) for d in digits]
    return sorted(found)


def _moved(geometry: Geometry, variable: str, free: Collection[str]) -> tuple[int, int]:
    """Return how far its *free* digits move *variable* at most, and in what steps; 0 and 0 for one that stands."""
    root = geometry.nest.roots.get(variable)
    if root is None:
        return (geometry.points([variable], {}) - 1, 1) if variable in free else (0, 0)
    moving = {d.name: n for d in root.digits if d.name in free and (n := geometry.points([d.name], {})) > 1}
    far = sum((count - 1) * geometry.unit(digit) for digit, count in moving.items())
    return min(far, geometry.sizes[root.name] - 1), math.gcd(*map(geometry.unit, moving))


def _alike(places: Sequence[Places]) -> list[list[Places]]:
    """Return the different *places* in groups of the same kind, ascending."""
    groups: dict[tuple[object, ...], list[Places]] = {}
    for one in sorted(set(places), key=lambda place: place.start):
        groups.setdefault((*one.kind, one.even, one.step), []).append(one)
    return list(groups.values())


def _union(alike: Sequence[Places]) -> int:
    """Return how many places are in one of *alike*: of ranges with one step what they cover, of others as many as all have."""
    if not alike[0].even:
        return sum(one.count for one in alike)
    total, end = 0, alike[0].start
    for one in alike:
        last = one.start + one.count * one.step
        total += max(0, last - max(end, one.start)) // one.step
        end = max(end, last)
    return total
