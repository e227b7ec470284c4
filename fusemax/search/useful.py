"""What there is to do in any case: the points of an Einsum, and the elements of a tensor, that conditions leave.

A body skips Einsums without a condition together with one that has one, so that of those only points count for which the
condition holds somewhere. Where the cascade cuts a rank itself and the size of its tiles is open, what is certain is looked
for in every range of sizes (:class:`Case`). docs/mapper.md has the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from math import ceil, prod

from fusemax.cascade.ir import Einsum
from fusemax.cost.conditions import Mask, mask_of, share_of, sizes_named
from fusemax.cost.masks import Band
from fusemax.cost.region import Axis, Region
from fusemax.errors import ProblemsError
from fusemax.mapping.nest import Body, Mapped, Nest, Root
from fusemax.mapping.space import roots_of
from fusemax.search.facts import Facts

EXACT = 24  #: sizes of an open tile that are each a case of their own
FINE, COARSE = 1.15, 2.0  #: by what the ends of the ranges above that differ
CASES = 400  #: cases at most: with more there is one, of all sizes


@dataclass(frozen=True, slots=True)
class Case:
    """A range of sizes of each open tile: the least and the largest, by name."""

    low: Mapping[str, int] = field(default_factory=dict[str, int])
    high: Mapping[str, int] = field(default_factory=dict[str, int])


ALL_KNOWN = Case()


def cases_of(facts: Facts, coarse: bool = False) -> list[Case]:
    """Return ranges of sizes of the open tiles that hold all sizes between them; one without any where nothing is open."""
    if not facts.open_parts:
        return [ALL_KNOWN]
    parts = dict.fromkeys(facts.open_parts)
    step = COARSE if coarse else FINE
    ends = [(least_size(facts, part), _whole_of(facts, part)) for part in parts]
    ranges = [list(_ranges(*end, step, 1 if coarse else EXACT)) for end in ends]
    if prod(len(some) for some in ranges) > CASES:
        ranges = [[end] for end in ends]
    return [
        Case(
            {part: low for part, (low, _) in zip(parts, chosen, strict=True)},
            {part: high for part, (_, high) in zip(parts, chosen, strict=True)},
        )
        for chosen in product(*ranges)
    ]


def least_size(facts: Facts, part: str) -> int:
    """Return the least size of an open tile at which every condition holds somewhere: below, it leaves nothing to do."""
    size = _whole_of(facts, part)
    for tried in range(1, min(size, EXACT) + 1):
        alone = {one: tried if one == part else min(_whole_of(facts, one), EXACT) for one in facts.open_parts}
        case = Case(alone, alone)
        if all(
            _left(facts, one, frozenset(), case) > 0 for one in _masks(facts).values() if one.mask is not None
        ):
            return tried
    return 1  # nothing is known of the conditions


def _whole_of(facts: Facts, part: str) -> int:
    return next(facts.sizes[rank] for rank in facts.ranks if part in facts.parts(rank))


def _ranges(low: int, size: int, step: float, exact: int) -> Iterator[tuple[int, int]]:
    while low <= size:
        high = low if low <= exact else min(size, max(low, int(low * step) - 1))
        yield low, high
        low = high + 1


def points_of(facts: Facts, variables: frozenset[str], case: Case = ALL_KNOWN) -> float:
    """Return the points of *variables*; of a rank that the cascade cuts where the mapper may choose, no fewer than this."""
    points = 1.0
    for rank in facts.ranks:
        parts = facts.parts(rank)
        if not parts:
            if rank.lower() in variables:
                points *= (
                    case.low.get(facts.follows.get(rank, ""), 1)
                    if rank in facts.follows
                    else facts.sizes.get(rank, 1)
                )
            continue
        mine = [part for part in parts if part.lower() in variables]
        if len(mine) == len(parts):
            points *= facts.sizes[rank]
        elif any(part in facts.open_parts for part in parts):
            points *= _some_parts(facts, rank, mine, case)
        else:
            for part in mine:
                points *= facts.sizes.get(part, 1)
    return points


def _some_parts(facts: Facts, rank: str, mine: Iterable[str], case: Case) -> float:
    """Return the points of some of the parts of a rank, the outermost of which is as long as the others leave it."""
    outer, *inner = facts.parts(rank)
    points = 1.0
    for part in mine:
        if part == outer:
            points *= max(
                1,
                ceil(facts.sizes[rank] / prod(case.high.get(one, facts.sizes.get(one, 1)) for one in inner)),
            )
        else:
            points *= case.low.get(part, facts.sizes.get(part, 1))
    return points


# ------------------------------------------------------------------------------------ under conditions


def useful_points(facts: Facts, einsum: str, variables: frozenset[str], case: Case = ALL_KNOWN) -> float:
    """Return the points of *variables* (operations, elements) at which *einsum* has something to do in any case."""
    return points_of(facts, variables, case) * share(facts, einsum, variables, case)


def share(facts: Facts, einsum: str, variables: frozenset[str], case: Case = ALL_KNOWN) -> float:
    """Return the part of the points of *variables* at which *einsum* has something to do in any case."""
    masks = _masks(facts)
    if not masks:
        return 1.0
    own = [masks[einsum]] if einsum in masks else list(masks.values())
    return min(_left(facts, mask, variables, case) for mask in own)


@dataclass(frozen=True, slots=True)
class _Standing:
    """The mask of an Einsum; None where it is not known."""

    mask: Mask | None
    nest: Nest
    known: dict[tuple[object, ...], float] = field(default_factory=dict[tuple[object, ...], float])


def _masks(facts: Facts) -> Mapping[str, _Standing]:
    """Return, by Einsum with conditions, its mask."""
    if facts.masks is None:
        found: dict[str, _Standing] = {}
        roots = roots_of(facts.cascade, {})
        mapped = Mapped(name="", title="", cascade=facts.cascade, nests=(), bind={}, spill={}, in_place=())
        known: dict[object, _Standing] = {}
        for einsum in facts.cascade.computed:
            if einsum.conditions:
                key = tuple(einsum.conditions)
                if key not in known:
                    known[key] = _standing(mapped, einsum, roots)
                found[einsum.name] = known[key]
        object.__setattr__(facts, "masks", found)
    return facts.masks or {}


def _standing(mapped: Mapped, einsum: Einsum, roots: Mapping[str, Root]) -> _Standing:
    body = Body(node=(0,), opened=((),), spatial={}, einsums=(einsum.name,))
    nest = Nest(name="", roots=roots, bodies=(body,), residences=(), schedule="overlapped")
    try:
        return _Standing(mask_of(mapped, nest, body), nest)
    except ProblemsError:
        return _Standing(None, nest)


def _left(facts: Facts, standing: _Standing, variables: frozenset[str], case: Case) -> float:
    """Return the least part of the points of *variables* that a mask leaves: those with a point of it.

    Of as many variables as the mask has, its own part. Of fewer, no less: a point of them is left if one of the points behind
    it is. Between two ranks, of one of them, exactly.
    """
    mask, nest = standing.mask, standing.nest
    if mask is None:
        return 0.0
    roots = {mask.row, mask.column} if isinstance(mask, Band) else {axis.root for axis in mask.axes}
    mine = frozenset({_root_of(nest, variable) for variable in variables} & roots)
    key = (mine, *case.low.values(), *case.high.values())
    if key not in standing.known:
        standing.known[key] = _part(facts, mask, nest, mine, case)
    return standing.known[key]


def _part(facts: Facts, mask: Mask, nest: Nest, mine: frozenset[str], case: Case) -> float:
    """Return the least part of the points of the roots *mine* that *mask* leaves."""
    if not isinstance(mask, Band) and mine and _is_full(facts, mask, nest, mine, case):
        return 1.0
    if sizes_named(mask, nest) <= facts.sizes.keys():
        part = share_of(mask, nest, facts.sizes)
        if not mine:
            return float(part > 0)
        if isinstance(mask, Band) and len(mine) == 1 and mask.row != mask.column:
            return _lines(mask, next(iter(mine)), facts.sizes)
        return part
    return _open_part(facts, mask, nest, case) if mine else float(_open_part(facts, mask, nest, case) > 0)


def _is_full(facts: Facts, region: Region, nest: Nest, mine: frozenset[str], case: Case) -> bool:
    """Return whether every point of the roots *mine* has a point of *region* behind it, certainly.

    It has where one choice of the other axes, each at its first or last value, satisfies all rows for all values of *mine*.
    Rows are linear in the size of an open tile too, so that what holds at both ends of a range holds inside of it.
    """
    others = [axis for axis in region.axes if axis.root not in mine]
    ends = [_lengths(facts, region, nest, end) for end in (case.low, case.high)]
    for chosen in product(*((0, 1) if _is_whole(nest, axis) else (0,) for axis in others)):
        top = {axis: float(at) for axis, at in zip(others, chosen, strict=True)}
        if all(lengths is not None and _holds(facts, region, top, lengths) for lengths in ends):
            return True
    return False


def _holds(facts: Facts, region: Region, top: Mapping[Axis, float], lengths: Mapping[Axis, float]) -> bool:
    """Return whether all rows hold for all values of the axes; those in *top* stand at their last (1) or first (0) one."""
    for row in region.rows:
        known = {
            s: facts.sizes[str(s)]
            for value in (*row.steps, row.bound)
            for s in value.free_symbols
            if str(s) in facts.sizes
        }
        numbers = [value.subs(list(known.items())) for value in (*row.steps, row.bound)]
        if any(value.free_symbols for value in numbers):
            return False
        *steps, bound = (float(value) for value in numbers)  # pyright: ignore[reportArgumentType]
        most = sum(
            step * (lengths[axis] - 1) * top.get(axis, float(step > 0))
            for step, axis in zip(steps, region.axes, strict=True)
        )
        if most > bound:
            return False
    return True


def _lengths(facts: Facts, region: Region, nest: Nest, tiles: Mapping[str, int]) -> dict[Axis, float] | None:
    """Return the length of every axis with such sizes of open *tiles*; None where one is not known."""
    sizes = {**facts.sizes, **tiles, **{name: tiles.get(part, 0) for name, part in facts.follows.items()}}
    found: dict[Axis, float] = {}
    for axis in region.axes:
        root = nest.roots[axis.root]
        whole = tuple(digit.name for digit in root.digits) == axis.digits
        names = [root.size_name] if whole else [digit.upper() for digit in axis.digits]
        if not sizes.keys() >= set(names):
            return None
        found[axis] = prod(sizes[name] for name in names)
    return found


def _is_whole(nest: Nest, axis: Axis) -> bool:
    """Return whether an axis is never cut short: a tile at the end of a rank may be."""
    return tuple(digit.name for digit in nest.roots[axis.root].digits) == axis.digits


def _root_of(nest: Nest, variable: str) -> str:
    return next(
        (name for name, root in nest.roots.items() if any(d.name == variable for d in root.digits)), variable
    )


def _lines(band: Band, root: str, sizes: Mapping[str, int]) -> float:
    """Return the part of the rows (or columns) of a band with a point of it."""
    values = [(s, sizes[str(s)]) for bound in (band.low, band.high) for s in bound.free_symbols]
    low, high = (int(bound.subs(values)) for bound in (band.low, band.high))
    if root == band.row and band.sign > 0:  # column - row from low to high: turned round
        low, high = -high, -low
    mine = sizes[root.upper()]
    other = sizes[(band.column if root == band.row else band.row).upper()]
    if band.sign > 0:
        first, last = max(0, low), min(mine - 1, other - 1 + high)
    else:
        first, last = max(0, low - (other - 1)), min(mine - 1, high)
    return max(0, last - first + 1) / mine if low <= high else 0.0


def _open_part(facts: Facts, mask: Mask, nest: Nest, case: Case) -> float:
    """Return the part that a mask leaves inside tiles of an open size.

    Where its rows name no open size, a longer tile has all points of a shorter one: those of the shortest count, in every tile
    that is whole.
    """
    open_ = {part for part in facts.open_parts}
    later = {*open_, *facts.follows}
    if isinstance(mask, Band):
        return 0.0
    named = {str(s) for row in mask.rows for value in (*row.steps, row.bound) for s in value.free_symbols}
    if named & later or not named <= facts.sizes.keys():
        return 0.0
    sizes = {
        **facts.sizes,
        **case.low,
        **{name: case.low.get(part, 1) for name, part in facts.follows.items()},
    }
    whole = 1.0
    for rank in facts.ranks:
        parts = facts.parts(rank)
        if parts and open_ & set(parts):
            inner = parts[1:]
            if any(axis.root == rank.lower() and parts[0].lower() in axis.digits for axis in mask.axes):
                return 0.0  # the outer part is one of its axes: how many tiles there are matters
            tile, longest = (
                prod(end.get(one, sizes.get(one, 1)) for one in inner) for end in (case.low, case.high)
            )
            if any(axis.root == rank.lower() for axis in mask.axes):
                whole *= max(1, facts.sizes[rank] // longest) * tile / facts.sizes[rank]
            sizes |= {rank: tile, parts[0]: 1}
    if not sizes_named(mask, nest) <= sizes.keys():
        return 0.0
    return share_of(mask, nest, sizes) * min(1.0, whole)
