"""What several accesses mean of one tensor, in numbers for the clock: a union counted once, a window cut at the tensor's end.

Such words depend on where the loops stand, not only on which tiles are short: two variables of one rank name the same elements
where their ranges meet. Each access is a box, a range in each dimension; dimensions that all accesses index alike are left to
:class:`fusemax.simulate.tile.geometry.Geometry`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from fusemax.cascade.ir import affine, is_variable
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Access, Expression, Name, names
from fusemax.language.value import finite_value_of
from fusemax.mapping.nest import Mapped, Nest, Root
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.geometry import Geometry, digits_of, is_gather, is_window
from fusemax.simulate.tile.listed import Listing, Table, listed_dims, table_of
from fusemax.simulate.tile.parts import cut_roots
from fusemax.simulate.tile.streams import COMPUTE, FILL, Stream, Words


@dataclass(frozen=True, slots=True)
class Share:
    """Words of one tensor: the union of ``boxes`` without that of the first ``apart``, times the points of ``digits``.

    Or a ``table`` lists them. A box has a row ``(constant, limit, term, factor, term, factor)`` per dimension; a term is a
    root, ``MAX_ROOTS`` and the position of a loop whose digit it is, or ``-1 - size`` for a digit that runs freely.
    """

    digits: frozenset[str]
    boxes: tuple[tuple[tuple[int, ...], ...], ...]
    apart: int
    roots: frozenset[str]
    table: Table | None = None

    def numbers(self) -> list[int]:
        """Return the share as the clock reads it; nothing for what a band touches."""
        if self.table is not None:
            return self.table.numbers()
        if not self.boxes:
            return []
        flat = [number for box in self.boxes for row in box for number in row]
        return [len(self.boxes), self.apart, len(self.boxes[0]), *flat]


class Shares:
    """The streams of a nest at one point: accesses that mean nothing more than others dropped, the rest as shares."""

    def __init__(self, mapped: Mapped, nest: Nest, geometry: Geometry, known: Mapping[str, float]) -> None:
        self.mapped, self.nest, self.geometry = mapped, nest, geometry
        tiles = {digit.upper(): float(size) for digit, size in geometry.tiles.items()}
        self.known = {**known, **tiles}

    def settled(self, stream: Stream) -> Stream:
        """Return *stream* without accesses that others contain, and with the loops that still change its tile."""
        if not any(entry.accesses for entry in stream.words):
            return stream
        words = tuple(w for entry in stream.words for w in self._settled(entry, stream))
        own = stream.own
        if stream.kind == FILL and words and stream.own:
            whole = stream.words[0].accesses
            used = words[0].accesses or self._largest(stream, whole)
            moved = (*used, *(a for a in whole if any(is_window(self.nest, i) for i in a.indices)))
            own = frozenset(d for access in moved for d in self._digits(access)) & stream.own
        return replace(stream, words=words, own=own)

    def _settled(self, entry: Words, stream: Stream) -> list[Words]:
        if not entry.accesses:
            return [entry]
        wanted = self._largest(stream, entry.accesses)
        left = [a for a in wanted if not any(self._contains(stream, b, a) for b in entry.apart)]
        if not left:
            return []
        apart = tuple(b for b in self._largest(stream, entry.apart) if any(self._meet(a, b) for a in left))
        alone = len(left) == 1 and not apart and not cut_roots(self.mapped, self.geometry, left[0])
        if alone and not any(is_window(self.nest, i) for i in left[0].indices):
            digits = self._digits(left[0])
            digits = digits if stream.kind == COMPUTE else digits - set(stream.loops)
            return [replace(entry, accesses=(), apart=(), digits=digits)]
        return [replace(entry, accesses=tuple(left), apart=apart)]

    def _largest(self, stream: Stream, accesses: Sequence[Access]) -> list[Access]:
        """Return *accesses* without those that an other one contains wherever the loops stand."""
        left: list[Access] = []
        for access in accesses:
            if not any(self._contains(stream, other, access) for other in left):
                left = [a for a in left if not self._contains(stream, access, a)] + [access]
        return left

    def _contains(self, stream: Stream, one: Access, other: Access) -> bool:
        parts = {d.name for root in self._told_whole(one.tensor) for d in root.digits}
        pairs = list(zip(self._indices(one), self._indices(other), strict=True))
        for (mine, its), (other_mine, other_its) in combinations(pairs, 2):
            alike = (mine == other_mine and its == other_its) or (mine == its and other_mine == other_its)
            if not alike and self._digits_in(mine) & self._digits_in(other_mine):
                return False  # a rank in two indices is no product of both
        sides = zip(pairs, self._limits(one.tensor), strict=True)
        return all(
            mine == its or self._is_whole(stream, mine, parts, size) or self._spans(stream, mine, its, size)
            for (mine, its), size in sides
        )

    def _spans(self, stream: Stream, mine: Expression, its: Expression, size: int) -> bool:
        """Return whether *mine* runs freely through all that *its* does beside what they share (``i1*I0+j0``, ``i1*I0+i0``).

        *size* is the length of their dimension: what ends before it, in a short tile, may lack what another variable has.
        """
        one, other = self._digit_steps(mine), self._digit_steps(its)
        if one is None or other is None or one[0] != other[0]:
            return False
        own, left = dict(one[1].items() - other[1].items()), dict(other[1].items() - one[1].items())
        if not own or min((*own.values(), *left.values())) < 0:
            return False
        if any(d in stream.loops and self.geometry.points([d], {}) > 1 for d in own):
            return False
        for root in {self.nest.root_of(digit) for digit in own}:
            short = self.geometry.sizes[root.name] % self.geometry.unit(root.digits[0].name) != 0
            if (
                short
                and self.geometry.sizes[root.name] < size
                and not {d.name for d in root.digits} <= own.keys()
            ):
                return False
        reach = 0.0
        for digit, step in sorted(own.items(), key=lambda item: item[1]):
            further = self.geometry.points([digit], {}) - 1
            if further and step > reach + 1:
                return False
            reach += step * further
        return sum(step * (self.geometry.points([digit], {}) - 1) for digit, step in left.items()) <= reach

    def _digit_steps(self, index: Expression) -> tuple[float, dict[str, float]] | None:
        """Return where *index* starts and its step along each digit; None for what is no sum of ranks."""
        factors, start = affine(index) or (None, None)
        if factors is None or is_gather(index):
            return None
        steps: dict[str, float] = {}
        for variable, factor in factors.items():
            for digit in digits_of(self.nest, [variable]):
                unit = self.geometry.unit(digit) if variable in self.nest.roots else 1
                step = unit * (1.0 if factor is None else finite_value_of(factor, self.known))
                steps[digit] = steps.get(digit, 0.0) + step
        return 0.0 if start is None else finite_value_of(start, self.known), steps

    def _told_whole(self, tensor: str) -> list[Root]:
        """Return the roots of which a part that runs freely means all of its rank: even ones, or cut in *tensor* too."""
        described = self.mapped.cascade.tensors[tensor]
        return [
            root for root in self.nest.roots.values()
            if self.geometry.sizes[root.name] % self.geometry.unit(root.digits[0].name) == 0
            or (described.generation is None and {d.size_name for d in root.digits} <= set(described.ranks))
        ]  # fmt: skip

    def _meet(self, one: Access, other: Access) -> bool:
        """Return whether *one* and *other* may name an element in common: not where a constant tells them apart."""
        for mine, its in zip(self._indices(one), self._indices(other), strict=True):
            fixed = (
                not any(map(is_variable, (*names(mine), *names(its))))
                and not is_gather(mine)
                and not is_gather(its)
            )
            if fixed and finite_value_of(mine, self.known) != finite_value_of(its, self.known):
                return False
        return True

    def _is_whole(self, stream: Stream, index: Expression, parts: Collection[str], size: int) -> bool:
        """Return whether *index* runs over all of its rank of *size*; a part of a root does so where it is one of *parts*."""
        name = index.name if isinstance(index, Name) else self._put_together(index)
        if name not in self.nest.roots and name not in parts:
            return False
        longest = self.geometry.sizes.get(name) or self.geometry.tiles.get(name, size)
        if longest < size:
            return False
        turning = (d for d in digits_of(self.nest, [name]) if d in stream.loops)
        return not any(self.geometry.points([d], {}) > 1 for d in turning)

    def _put_together(self, index: Expression) -> str:
        """Return the root whose digits *index* puts together again (``m1*M0 + m0``); empty if there is none."""
        factors, start = affine(index) or ({}, None)
        if start is not None and finite_value_of(start, self.known) != 0:
            return ""
        steps = {v: 1.0 if f is None else finite_value_of(f, self.known) for v, f in factors.items()}
        for root in self.nest.roots.values():
            if steps == {digit.name: self.geometry.unit(digit.name) for digit in root.digits}:
                return root.name
        return ""

    def _indices(self, access: Access) -> tuple[Expression, ...]:
        """Return the indices of *access* without that of its generation: one generation is there at a time."""
        tensor = self.mapped.cascade.tensors[access.tensor]
        pairs = zip(tensor.ranks, access.indices, strict=True)
        return tuple(index for rank, index in pairs if rank != tensor.generation)

    def _digits(self, access: Access) -> frozenset[str]:
        return frozenset[str]().union(*map(self._digits_in, self._indices(access)))

    def _digits_in(self, index: Expression) -> frozenset[str]:
        return digits_of(self.nest, (n for n in names(index) if is_variable(n)))

    # --- in numbers

    def shares(self, stream: Stream) -> tuple[list[Share], list[int]]:
        """Return the shares of *stream*, and for each of its words the number of its share, -1 for none.

        Raises
        ------
        FusemaxError
            For more accesses to one tensor, or more shares, than the clock takes.
        """
        found: list[Share] = []
        numbers: list[int] = []
        for entry in stream.words:
            if not entry.accesses:
                numbers.append(-1)
                continue
            share = self._share(stream, entry)
            if share not in found:
                found.append(share)
            numbers.append(found.index(share))
        if len(found) > clock.MAX_SHARES:
            raise FusemaxError(
                f"nest {self.nest.name} of mapping {self.mapped.name}: {stream.name} reads {len(found)} tensors, each"
                f" in several ways, more than the simulator counts ({clock.MAX_SHARES})\n"
                "  hint: 'fusemax cost' counts them"
            )
        return found, numbers

    def _share(self, stream: Stream, entry: Words) -> Share:
        accesses = (*entry.apart, *entry.accesses)
        columns = list(zip(*(self._indices(access) for access in accesses), strict=True))
        apart = [
            k for k, column in enumerate(columns)
            if len(set(column)) > 1 or is_window(self.nest, column[0])
        ]  # fmt: skip
        if self.is_listed(entry, stream):
            return self._listed(stream, entry)
        alike = [n for k, column in enumerate(columns) if k not in apart for n in names(column[0])]
        digits = digits_of(self.nest, (n for n in alike if is_variable(n)))
        limits = self._limits(entry.tensor)
        boxes = tuple(
            tuple(self._row(stream, self._indices(access)[k], limits[k]) for k in apart)
            for access in accesses
        )
        used = {n for k in apart for index in columns[k] for n in names(index) if is_variable(n)}
        roots = {self.nest.roots[n].name if n in self.nest.roots else self.nest.root_of(n).name for n in used}
        loops = set(stream.loops) if stream.kind != COMPUTE else set()
        return Share(digits - loops, boxes, len(entry.apart), frozenset(roots))

    def is_listed(self, entry: Words, stream: Stream) -> bool:
        """Return whether the accesses of *entry* are no boxes of ranges, in a task of *stream*."""
        accesses = (*entry.apart, *entry.accesses)
        if len(accesses) > 1 and any(self._has_steps(access, stream) for access in accesses):
            return True
        if any(self._is_no_box(access) or self._has_gaps(access, stream) for access in accesses):
            return True
        return len(accesses) > clock.MAX_BOXES

    def _has_gaps(self, access: Access, stream: Stream) -> bool:
        """Return whether a loop of *stream* stands inside of a digit of its rank that runs freely (``p0`` around ``p1``)."""
        for name in {n for index in self._indices(access) for n in names(index) if is_variable(n)}:
            root = self.nest.roots.get(name)
            digits = [d.name for d in root.digits] if root is not None else []
            turning = [d for d in digits if d in stream.loops or self.geometry.points([d], {}) > 1]
            held = [d in stream.loops for d in turning]
            if any(held) and not all(held[: sum(held)]):
                return True
        return False

    def _has_steps(self, access: Access, stream: Stream) -> bool:
        """Return whether an index of *access* goes in steps above one, such as ``2*a``, while the loops of *stream* stand."""
        for factors, _ in filter(None, map(affine, self._indices(access))):
            for variable, factor in factors.items():
                free = not digits_of(self.nest, [variable]) <= set(stream.loops)
                if free and factor is not None and abs(finite_value_of(factor, self.known)) > 1:
                    return True
        return False

    def _is_no_box(self, access: Access) -> bool:
        sums = [affine(index) for index in self._indices(access)]
        plain = all(one is not None and len(one[0]) <= clock.MAX_TERMS for one in sums)
        return not plain or self._repeats(access) or bool(cut_roots(self.mapped, self.geometry, access))

    def _repeats(self, access: Access) -> bool:
        """Return whether two indices of *access* name one variable (``X[p+w,p]``): not all pairs of their values occur."""
        named = [self._digits_in(index) for index in self._indices(access)]
        return sum(map(len, named)) > len(set[str]().union(*named))

    def listing(
        self, entry: Words, accesses: Sequence[Access], roots: Collection[str], loops: Collection[str]
    ) -> Listing:
        """Return the dimensions of the tensor of *entry* in which *accesses* differ, are cut, sums, or name *roots*.

        What is counted together has one iteration of each of *loops*: dimensions that these alone move have one place there.
        """
        described = self.mapped.cascade.tensors[entry.tensor]
        columns = list(zip(*(access.indices for access in accesses), strict=True))
        also = {
            k for k, column in enumerate(columns)
            if described.ranks[k] != described.generation
            and (len(set(column)) > 1 or is_window(self.nest, column[0]))
        }  # fmt: skip
        cut = {digit for access in accesses for digit in cut_roots(self.mapped, self.geometry, access)}
        also |= {k for k, rank in enumerate(described.ranks) if rank in cut}
        dims = listed_dims(self.geometry, self.mapped, entry.tensor, accesses, roots, also)
        still = {
            k for k in dims
            if len(set(columns[k])) == 1 and not is_gather(columns[k][0])
            and digits_of(self.nest, (n for n in names(columns[k][0]) if is_variable(n))) <= set(loops)
        }  # fmt: skip
        return Listing(self.mapped, self.geometry, self.known, entry.tensor, dims, frozenset(still))

    def other_digits(self, listing: Listing, access: Access) -> frozenset[str]:
        """Return the digits of *access* in the dimensions that are not listed."""
        generation = self.mapped.cascade.tensors[listing.tensor].generation
        pairs = zip(self.mapped.cascade.tensors[listing.tensor].ranks, access.indices, strict=True)
        left = [i for k, (rank, i) in enumerate(pairs) if k not in listing.dims and rank != generation]
        return digits_of(self.nest, (n for index in left for n in names(index) if is_variable(n)))

    def _listed(self, stream: Stream, entry: Words) -> Share:
        """Return what a task of a unit takes, listed by the loops that move it."""
        accesses = (*entry.apart, *entry.accesses)
        listing = self.listing(entry, accesses, (), stream.loops)
        roots = listing.roots(accesses)
        loops = [loop for loop in stream.loops if self.nest.root_of(loop).name in roots]
        there = listing.elements(loops, [(access, None) for access in entry.apart], accesses)
        wanted = there | listing.elements(loops, [(access, None) for access in entry.accesses], accesses)
        trips = [self.geometry.points([loop], {}) if loop in loops else 1 for loop in stream.loops]
        data = listing.apart(wanted, accesses).sum(axis=1, dtype=np.int64)
        data = (data - listing.apart(there, accesses).sum(axis=1, dtype=np.int64)).reshape(trips)
        return Share(self.other_digits(listing, accesses[0]), (), 0, frozenset(roots), table_of(data))

    def _limits(self, tensor: str) -> list[int]:
        described = self.mapped.cascade.tensors[tensor]
        return [
            int(self.known[rank]) if rank in self.known else self._size(rank)
            for rank in described.ranks if rank != described.generation
        ]  # fmt: skip

    def _size(self, rank: str) -> int:
        size = self.mapped.cascade.ranks[rank].size
        return 1 << 60 if size is None else int(finite_value_of(size, self.known))

    def _row(self, stream: Stream, index: Expression, limit: int) -> tuple[int, ...]:
        parts = affine(index)
        assert parts is not None
        factors, rest = parts
        constant = 0 if rest is None else round(finite_value_of(rest, self.known))
        terms = [
            (
                1 if factor is None else round(finite_value_of(factor, self.known)),
                self._term(stream, variable),
            )
            for variable, factor in factors.items()
        ]
        row = [constant, limit]
        for factor, term in sorted(terms, key=lambda t: abs(t[0])):
            row += [term, factor]
        return tuple(row + [-2, 0] * (clock.MAX_TERMS - len(terms)))

    def _term(self, stream: Stream, variable: str) -> int:
        if variable in self.nest.roots:
            return list(self.nest.roots).index(variable)
        if variable in stream.loops:
            return clock.MAX_ROOTS + stream.loops.index(variable)
        return -1 - self.geometry.points([variable], {})
