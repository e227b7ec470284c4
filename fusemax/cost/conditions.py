"""The mask of a body: its conditions as a band between two ranks, in closed form, or as a region of whichever variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

from fusemax.cascade.ir import Einsum, is_variable
from fusemax.cost.band import band_pairs
from fusemax.cost.lattice import region_tiles
from fusemax.cost.masks import Band, NoBandError, band_between
from fusemax.cost.region import NoRegionError, Region, region_of
from fusemax.errors import Place, Problem, ProblemsError
from fusemax.language.syntax import Condition, names
from fusemax.mapping.nest import Body, Mapped, Nest

#: What a body stands under.
Mask = Band | Region


def mask_of(mapped: Mapped, nest: Nest, body: Body) -> Mask | None:
    """Return the mask of *body*: None without conditions.

    What makes generations of a running value may be without one: where it is skipped with the others the value is as it was.

    Raises
    ------
    ProblemsError
        Naming every condition that is not affine, and Einsums under different masks, or under none where loops cut the mask.
    """
    found: dict[Mask, Einsum] = {}
    problems: list[Problem] = []
    for name in body.einsums:
        einsum = mapped.einsum(name)
        if einsum.conditions:
            try:
                found.setdefault(_mask(nest, einsum.conditions), einsum)
            except NoRegionError as error:
                text = f"the cost of {name} under the condition {error.condition} is not known"
                hint = "conditions compare sums of ranks and sizes, with steps that are known, such as m <= p + M - P"
                problems.append(_problem(einsum, text, hint))
    if not problems and len(found) > 1:
        first, other, *_ = found.values()
        text = (
            f"{other.name} stands under another condition than {first.name}, in one body of nest {nest.name}"
        )
        problems.append(_problem(other, text, "give them one condition, or a body each"))
    problems += _unmade(mapped, nest, body, found)
    if problems:
        raise ProblemsError(problems)
    return next(iter(found), None)


def _unmade(mapped: Mapped, nest: Nest, body: Body, masks: Mapping[Mask, Einsum]) -> Iterator[Problem]:
    """Yield Einsums without a condition that *body* would not do where loops around it leave no point of one of *masks*."""
    for masked in masks.values():
        named = [name for c in masked.conditions for side in (c.left, c.right) for name in names(side)]
        digits = nest.digits_of(name for name in named if is_variable(name))
        cut = [loop for loop in body.loops if loop in digits]
        for einsum in map(mapped.einsum, body.einsums) if cut else ():
            if not einsum.conditions and einsum.loop is None:
                text = (
                    f"{einsum.name} has no condition, in one body of nest {nest.name} with {masked.name}: where a step of"
                    f" {cut[-1]} leaves no point of {masked.name} the body does nothing: {einsum.name} is not made there"
                )
                yield _problem(einsum, text, "give it the same condition, or a body of its own")


def _mask(nest: Nest, conditions: Iterable[Condition]) -> Mask:
    conditions = tuple(conditions)
    try:
        return band_between(nest, conditions)
    except NoBandError:
        return region_of(nest, conditions)


def _problem(einsum: Einsum, text: str, hint: str) -> Problem:
    return Problem(einsum.place or Place("<cascade>", 1, 1), text, hint)


def sizes_named(mask: Mask, nest: Nest) -> frozenset[str]:
    """Return the sizes that :func:`share_of` needs to know."""
    if isinstance(mask, Band):
        values = (mask.low, mask.high)
        return frozenset(
            {mask.row.upper(), mask.column.upper(), *(str(s) for v in values for s in v.free_symbols)}
        )
    names = {str(s) for row in mask.rows for value in (*row.steps, row.bound) for s in value.free_symbols}
    for axis in mask.axes:
        root = nest.roots[axis.root]
        names |= {root.size_name, *(digit.upper() for digit in axis.digits)}
        names |= {digit.size_name for digit in root.inner_to(axis.digits[-1])}
    return frozenset(names)


def share_of(mask: Mask, nest: Nest, sizes: Mapping[str, int]) -> float:
    """Return the part of the points of the ranks of *mask* that it leaves; *sizes* are those of ranks by name.

    At a ragged end of a rank that is cut, the part there or elsewhere: the smaller one.
    """
    if isinstance(mask, Band):
        values = [(s, sizes[str(s)]) for e in (mask.low, mask.high) for s in e.free_symbols]
        low, high = (int(expression.subs(values)) for expression in (mask.low, mask.high))
        rows, columns = sizes[mask.row.upper()], sizes[mask.column.upper()]
        return band_pairs(rows, 1, columns, 1, low, high, mask.sign) / (rows * columns)
    parts: list[float] = []
    for lengths in product(*(mask.lengths(nest, axis, sizes) for axis in mask.axes)):
        points = 1.0
        numbers: list[float] = [len(lengths), mask.last]
        for length in lengths:
            numbers += [length, 1]
            points *= length
        for row in mask.rows:
            for value in (*row.steps, row.bound):
                numbers.append(float(value.subs([(s, sizes[str(s)]) for s in value.free_symbols])))
        parts.append(sum(region_tiles(numbers)) / points)
    return min(parts)
