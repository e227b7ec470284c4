"""What :func:`fusemax.cost.union_visits.union_moved` is given: tiles that several accesses and bodies share, as one list."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sympy

from fusemax.cascade.ir import Cascade, affine
from fusemax.cost.conditions import Mask
from fusemax.cost.extents import ONE, Extents, digits_of
from fusemax.cost.masks import Band
from fusemax.cost.region import Region, region_of_band
from fusemax.cost.symbols import symbol, to_sympy, union_moved
from fusemax.cost.visited import digits_to, spans_of
from fusemax.language.syntax import Access, Expression, Name
from fusemax.mapping.nest import Body, Nest, Root

ZERO = sympy.Integer(0)


@dataclass(frozen=True, slots=True)
class Line:
    """An index: where it starts, and by the name of each root its step along it, and which of its digits are a value."""

    start: sympy.Expr
    steps: Mapping[str, sympy.Expr]
    digits: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Reader:
    """A body that reads a tensor: all loops around it, its region or none, and what it reads."""

    loops: tuple[str, ...]
    region: Region | None
    accesses: tuple[Access, ...]

    def under(self, nest: Nest) -> frozenset[str]:
        """Return the digits of the ranks that the region compares."""
        axes = () if self.region is None else self.region.axes
        return frozenset(digit.name for axis in axes for digit in nest.roots[axis.root].digits)


@dataclass(frozen=True, slots=True)
class Union:
    """A tensor that *readers* share: the dimensions of *listed* are gone through, *beside* are the roots of the others."""

    nest: Nest
    readers: tuple[Reader, ...]
    sizes: tuple[sympy.Expr, ...]
    listed: Mapping[Access, tuple[Line, ...]]
    beside: Mapping[str, frozenset[str]]
    digits: Mapping[Access, Mapping[str, frozenset[str]]]

    @property
    def carried(self) -> frozenset[str]:
        """The digits that the tensor has, by any access."""
        listed = (digits for one in self.digits.values() for digits in one.values())
        return frozenset[str]().union(*self.beside.values(), *listed)

    def words(
        self, extents: Extents, loops: Sequence[str], otherwise: sympy.Expr, spread: Collection[str] = (),
        cores: sympy.Expr = ONE, moving: Mapping[str, sympy.Expr] | None = None,
    ) -> sympy.Expr:  # fmt: skip
        """Return the words of all tiles inside *loops* that come to a place, or to each of *cores* that needs one.

        The loops in *spread* number the tasks of these. A tile stays unless a loop over a digit turns that is 1 in *moving*;
        without that it comes in each iteration. Of more tiles than can be visited: *otherwise*.
        """
        turning = [loop for loop in loops if extents.turns(loop)]
        under = frozenset[str]().union(*(reader.under(self.nest) for reader in self.readers))
        mine = self.carried
        bound = [n for n, loop in enumerate(turning) if loop in {*mine, *spread, *under}]
        own = turning if moving is None else turning[: bound[-1] + 1] if bound else []
        touching = [
            [d for d in r.loops if d not in own and d in r.under(self.nest) and extents.turns(d)]
            for r in self.readers
        ]
        names = {self.nest.root_of(name).name for name in (*own, *mine, *under)}
        roots = [root for root in self.nest.roots.values() if root.name in names]
        if any(root.name in extents.parts for root in roots if not self._is_beside(root)):
            return otherwise
        values: list[sympy.Expr] = []
        for root in roots:
            found = spans_of(
                extents, root, own, self.beside.get(root.name, frozenset()), extents.part(root).size
            )
            if found is None:
                return otherwise
            alike = self._is_alike(extents, root, found[0], spread)
            values += [extents.part(root).size, ZERO, found[1], found[2], sympy.Integer(int(alike))]
        for loop in own:
            moves = ONE if moving is None else moving.get(loop, ZERO)
            values += [*self._loop(extents, roots, loop), moves, sympy.Integer(int(loop in spread))]
        values += self.sizes
        for reader, inner in zip(self.readers, touching, strict=True):
            body = self._reader(extents, roots, reader, own, inner)
            if body is None:
                return otherwise
            values += body
        counts = (len(self.readers), 0, 0, 0, len(self.sizes), len(roots), len(own), 0)
        return union_moved(otherwise, cores, *map(sympy.Integer, counts), *values)

    def _is_beside(self, root: Root) -> bool:
        """Return whether *root* only counts: neither listed nor compared."""
        tied = {name for one in self.digits.values() for name in one}
        return root.name not in tied and not any(
            axis.root == root.name for r in self.readers if r.region for axis in r.region.axes
        )

    def _is_alike(self, extents: Extents, root: Root, mine: list[str], spread: Collection[str]) -> bool:
        """Return whether a loop over *root* has iterations that are all alike, so that three of them tell all."""
        whole = len(extents.part(root).digits) == 1 and len(mine) == 1
        return self._is_beside(root) and whole and (root.name in self.beside or mine[0] not in spread)

    def _loop(self, extents: Extents, roots: Sequence[Root], loop: str) -> tuple[sympy.Expr, sympy.Expr]:
        root = self.nest.root_of(loop)
        return sympy.Integer(roots.index(root)), extents.tile(root, digits_to(extents, root, loop))

    def _reader(
        self, extents: Extents, roots: Sequence[Root], reader: Reader, own: Sequence[str], touching: Sequence[str]
    ) -> list[sympy.Expr] | None:  # fmt: skip
        """Return the numbers of one body, of which the first says how many there are; None where gaps hide what it reads."""
        axes = () if reader.region is None else reader.region.axes
        values: list[sympy.Expr] = []
        for loop in touching:
            values += self._loop(extents, roots, loop)
        for axis in axes:
            assert reader.region is not None
            values += [
                sympy.Integer(roots.index(self.nest.roots[axis.root])),
                *reader.region.along(extents, axis),
            ]
        for access in reader.accesses:
            for root in roots:
                digits = self.digits[access].get(root.name, frozenset())
                found = spans_of(extents, root, [*own, *touching], digits, extents.part(root).size)
                if found is None:
                    return None
                values += found[1:]
            for line in self.listed[access]:
                values += [line.start, *(line.steps.get(root.name, ZERO) for root in roots)]
        if reader.region is not None:
            values += reader.region.numbers(extents)
        last = -1 if reader.region is None else reader.region.last
        counts = (len(values) + 5, len(touching), len(axes), last, len(reader.accesses))
        return [*map(sympy.Integer, counts), *values]


def reader_of(nest: Nest, body: Body, mask: Mask | None, accesses: Sequence[Access]) -> Reader:
    """Return *body* as a reader under *mask*, of all *accesses*."""
    region = region_of_band(nest, mask) if isinstance(mask, Band) else mask
    return Reader(body.loops, region, tuple(accesses))


def union_of(nest: Nest, cascade: Cascade, readers: Sequence[Reader]) -> Union | None:
    """Return what *readers* share of one tensor; None where an index is no sum, or has a rank in two parts."""
    accesses = tuple(dict.fromkeys(access for reader in readers for access in reader.accesses))
    described = cascade.tensors[accesses[0].tensor]
    if described.generation is not None:
        return None
    columns = list(zip(*(access.indices for access in accesses), strict=True))
    ranks = [symbol(rank) for rank in described.ranks]
    compared = {axis.root for reader in readers if reader.region for axis in reader.region.axes}
    lines = [[_line(nest, index) for index in column] for column in columns]
    if any(line is None for column in lines for line in column):
        return None
    for root in nest.roots.values():
        names = [digit.size_name for digit in root.digits]
        if len(names) == 2 and set(names) <= set(described.ranks):
            outer, inner = (described.ranks.index(name) for name in names)
            joined = [
                _joined(*pair, symbol(names[1])) for pair in zip(lines[outer], lines[inner], strict=True)
            ]
            if all(joined):
                lines[outer], ranks[outer] = joined, symbol(root.size_name)
                lines[inner] = [Line(ZERO, {}, {})] * len(accesses)
    used = [frozenset[str]().union(*(line.steps for line in column if line)) for column in lines]
    beside: dict[str, frozenset[str]] = {}
    listed: list[int] = []
    for n, column in enumerate(columns):
        others = compared.union(*(names for k, names in enumerate(used) if k != n))
        first = lines[n][0]
        alone = first is not None and len(first.steps) == 1 and not used[n] & others
        if first and alone and isinstance(column[0], Name) and len(set(column)) == 1:
            beside |= first.digits
        elif used[n] or len(set(column)) > 1:
            listed.append(n)
    mine: dict[Access, tuple[Line, ...]] = {}
    digits: dict[Access, dict[str, frozenset[str]]] = {}
    for k, access in enumerate(accesses):
        mine[access] = tuple(line for n in listed if (line := lines[n][k]) is not None)
        digits[access] = {}
        for line in mine[access]:
            if any(digits[access].setdefault(root, found) != found for root, found in line.digits.items()):
                return None
    sizes = tuple(ranks[n] for n in listed)
    return Union(nest, tuple(readers), sizes, mine, beside, digits)


def is_crossing(nest: Nest, cascade: Cascade, accesses: Sequence[Access]) -> bool:
    """Return whether a rank is in two indices of one of *accesses*, or these differ and have windows among them."""
    union = union_of(nest, cascade, [Reader((), None, tuple(accesses))])
    if union is None:
        return False
    listed = [line for lines in union.listed.values() for line in lines]
    twice = any(
        len(roots) < sum(len(line.steps) for line in lines)
        for lines in union.listed.values()
        for roots in [{root for line in lines for root in line.steps}]
    )
    return twice or (len(union.listed) > 1 and any(len(line.steps) > 1 for line in listed))


def _joined(outer: Line | None, inner: Line | None, tile: sympy.Expr) -> Line | None:
    """Return the index of ``C[n1,u]`` among all elements of the rank that N1 and N0 cut; None if it does not number them."""
    if outer is None or inner is None:
        return None
    steps = {root: step * tile for root, step in outer.steps.items()}
    digits = dict(outer.digits)
    for root, step in inner.steps.items():
        if root in steps and sympy.expand(steps[root] - step * tile) != 0:
            return None
        steps[root] = step
        digits[root] = digits.get(root, frozenset()) | inner.digits[root]
    return Line(outer.start * tile + inner.start, steps, digits)


def _line(nest: Nest, index: Expression) -> Line | None:
    """Return *index* as a line; None if it is no sum, or parts of a rank do not number its elements (``i1*I0 + i0``)."""
    found = affine(index)
    if found is None:
        return None
    steps: dict[str, sympy.Expr] = {}
    digits: dict[str, frozenset[str]] = {}
    for variable in sorted(found[0], key=lambda name: _depth(nest, name)):
        root = (nest.roots.get(variable) or nest.root_of(variable)).name
        given = found[0][variable]
        step = ONE if given is None else to_sympy(given)
        if root in steps and sympy.expand(steps[root] - step * symbol(variable.upper())) != 0:
            return None
        steps[root] = step
        digits[root] = digits.get(root, frozenset()) | digits_of(nest, (variable,))
    return Line(ZERO if found[1] is None else to_sympy(found[1]), steps, digits)


def _depth(nest: Nest, variable: str) -> int:
    """Return where *variable* stands among the digits of its root, outermost first."""
    if variable in nest.roots:
        return 0
    names = [digit.name for digit in nest.root_of(variable).digits]
    return min(names.index(digit) for digit in digits_of(nest, (variable,)))
