"""Several accesses to one tensor that overlap where no ways are alike: ``X[s,p]`` and ``X[p,s]``, ``X[p+w]`` and ``X[p]``.

What a tile holds is the union of what they mean. It is listed, inner tile by inner tile
(:func:`fusemax.cost.lattice_visits.region_moved`), with each element numbered along the dimensions that they share.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sympy

from fusemax.cascade.ir import Cascade, affine
from fusemax.cost.conditions import Mask
from fusemax.cost.extents import ONE, Extents, digits_of
from fusemax.cost.region import Region, everywhere, region_of_band
from fusemax.cost.stays import Kept
from fusemax.cost.symbols import least, symbol, to_sympy
from fusemax.cost.visited_region import Inside
from fusemax.cost.windows import Lines, windows_of
from fusemax.language.syntax import Access, Expression, Name
from fusemax.mapping.nest import Nest

ZERO = sympy.Integer(0)


@dataclass(frozen=True, slots=True)
class Joint:
    """Accesses that are *lines* along the *tied* digits; with those of other dimensions they use *digits*, under *region*.

    *masked* says that the region is a condition, and not all there is; *aliases* that lines are names of one rank each: one
    whose loops do not move it holds the others.
    """

    lines: Lines
    tied: frozenset[str]
    digits: frozenset[str]
    region: Region
    masked: bool
    aliases: bool

    def brought(
        self, kept: Kept, otherwise: sympy.Expr, spread: Collection[str] = (), cores: sympy.Expr = ONE
    ) -> sympy.Expr:
        """Return the words of all tiles that come to a place, or to each of *cores* that needs one.

        Of more tiles than can be visited: *otherwise*, or under a condition as if each visit of an inner tile brought it.
        """
        inside = set(spread) - set(kept.loops)
        loops = tuple(d for d in kept.leaf if d in inside or d in kept.loops) if inside else kept.loops
        tiles = Inside(kept.extents, self.digits, loops, kept.leaf, self.region, spread, lines=self.lines)
        if self.masked:
            otherwise = self._every_visit(kept.extents, self.digits, tiles.loops)
            same = [loop for loop in spread if loop not in self.digits]
            otherwise *= least(cores, kept.extents.points(same)) if same else ONE
        return tiles.visited(otherwise, cores)

    def read(self, extents: Extents, loops: Sequence[str], otherwise: sympy.Expr) -> sympy.Expr:
        """Return the words that a body reads in all iterations of *loops* around it; *otherwise* as in :meth:`brought`."""
        roots = {axis.root for axis in self.region.axes} | self.lines.roots
        mine = {digit.name for name in roots for digit in extents.nest.roots[name].digits}
        own, carried = [loop for loop in loops if loop in mine], mine & self.digits
        tiles = Inside(extents, carried, own, own, self.region, lines=self.lines, stays=False)
        rest = extents.points({*self.digits, *loops} - mine)
        most = self._every_visit(extents, carried, own) if self.masked else otherwise / rest
        return tiles.visited(most) * rest

    def _every_visit(self, extents: Extents, digits: Collection[str], loops: Sequence[str]) -> sympy.Expr:
        """Return the words of all touched tiles in *loops*, each at every visit, as if accesses had nothing in common."""
        kinds = self.region.kinds(extents, loops)
        if kinds is None:
            return extents.points({*digits, *loops}) * len(self.lines.each)
        beside = {*digits, *loops} - (self.tied - set(loops))
        total: sympy.Expr = ZERO
        for times, held in kinds:
            elements: sympy.Expr = ZERO
            for _, steps in self.lines.each:
                names = {digit.name for root, _ in steps for digit in extents.nest.roots[root].digits}
                elements += least(held.points((self.tied & names) - set(loops)), self.lines.size)
            total += times * held.points(beside) * least(elements, self.lines.size)
        return total


def joint_of(
    nest: Nest, cascade: Cascade, accesses: Sequence[Access], mask: Mask | None, aliases: bool = False
) -> Joint | None:
    """Return *accesses* to one tensor as lines; None where they are one, or tiles of single ways tell all.

    With *aliases* also several names for a dimension (``X[p]`` and ``X[m]``), whose tiles seldom meet.
    """
    accesses = tuple({access.indices: access for access in accesses}.values())
    if len(accesses) < 2:
        return None
    windows = [window for access in accesses for window in windows_of(nest, cascade, access)]
    if any(window.ends() is not None or (mask and window.is_inside_of(mask)) for window in windows):
        return None
    found = _lines(nest, cascade, accesses, aliases)
    if found is None:
        return None
    lines, tied, several = found
    digits = digits_of(nest, (v for a in accesses for index in a.indices for v in _terms(index) or ()))
    if mask is not None:
        region = mask if isinstance(mask, Region) else region_of_band(nest, mask)
        if aliases or lines.roots & {axis.root for axis in region.axes}:
            return Joint(lines, tied, digits, region, not aliases, aliases)
    if not (several or aliases) or mask is not None:
        return None
    return Joint(lines, tied, digits, everywhere(nest, min(lines.roots)), False, aliases)


def _lines(
    nest: Nest, cascade: Cascade, accesses: Sequence[Access], aliases: bool
) -> tuple[Lines, frozenset[str], bool] | None:
    """Return the lines of *accesses*, the digits along them, and whether they number several dimensions; None if none.

    They are a window and what else is along its ranks in its dimension, or the same whole ranks in other orders; all else that
    no rank is twice in, if *aliases* are wanted.
    """
    described = cascade.tensors[accesses[0].tensor]
    columns = list(zip(*(access.indices for access in accesses), strict=True))
    terms = [[_terms(index) for index in column] for column in columns]
    if described.generation is not None or any(one is None for column in terms for one in column):
        return None
    roots = [{_root(nest, v) for one in column for v in one or ()} for column in terms]
    tied = [n for n, column in enumerate(columns) if not _is_plain(column, roots, n)]
    variables = {v for n in tied for one in terms[n] for v in one or ()}
    parts = {_root(nest, v): digits_of(nest, (v,)) for v in variables}
    if not tied or len(parts) < len(variables):
        return None
    of_each = [frozenset(v for n in tied for v in terms[n][k] or ()) for k in range(len(accesses))]
    several = len(tied) > 1
    if aliases:
        if any(len(one) < len(tied) for one in of_each):
            return None
    elif several:
        names = all(isinstance(index, Name) for n in tied for index in columns[n])
        if (
            not names
            or len(set(of_each)) > 1
            or len(of_each[0]) != len(tied)
            or not variables <= set(nest.roots)
        ):
            return None
    elif not variables <= frozenset[str]().union(*(one for one in of_each if len(one) > 1)):
        return None
    size: sympy.Expr = ONE
    each: list[dict[str, sympy.Expr]] = [{} for _ in accesses]
    starts: list[sympy.Expr] = [ZERO for _ in accesses]
    for n in reversed(tied):
        for k, index in enumerate(columns[n]):
            sums = affine(index)
            assert sums is not None
            starts[k] += size * (ZERO if sums[1] is None else to_sympy(sums[1]))
            for v, step in sums[0].items():
                each[k][_root(nest, v)] = size * (ONE if step is None else to_sympy(step))
        size *= symbol(described.ranks[n])
    lines = Lines(size, tuple((start, tuple(one.items())) for start, one in zip(starts, each, strict=True)))
    return lines, frozenset[str]().union(*parts.values()), several


def _terms(index: Expression) -> tuple[str, ...] | None:
    found = affine(index)
    return None if found is None else tuple(found[0])


def _root(nest: Nest, variable: str) -> str:
    return (nest.roots.get(variable) or nest.root_of(variable)).name


def _is_plain(column: Sequence[Expression], roots: Sequence[set[str]], n: int) -> bool:
    """Return whether all accesses have the same name in the *n*-th dimension, of a rank that no other one has."""
    same = all(index == column[0] for index in column) and isinstance(column[0], Name)
    return same and not any(roots[n] & other for k, other in enumerate(roots) if k != n)
