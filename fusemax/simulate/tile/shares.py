"""What several accesses mean of one tensor, in numbers for the clock: a union counted once, a window cut at the tensor's end.

Such words depend on where the loops stand, not only on which tiles are short: two variables of one rank name the same elements
where their ranges meet. Each access is a box, a range in each dimension; dimensions that all accesses index alike are left to
:class:`fusemax.simulate.tile.geometry.Geometry`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fusemax.cascade.ir import affine, is_variable
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Access, Expression, Name, names
from fusemax.language.value import finite_value_of
from fusemax.mapping.nest import Mapped, Nest
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.geometry import Geometry, digits_of, is_window
from fusemax.simulate.tile.streams import COMPUTE, FILL, Stream, Words


@dataclass(frozen=True, slots=True)
class Share:
    """Words of one tensor: the union of ``boxes`` without that of the first ``apart``, times the points of ``digits``.

    A box has a row ``(constant, limit, term, factor, term, factor)`` per dimension; a term is a root, ``MAX_ROOTS`` and the
    position of a loop whose digit it is, or ``-1 - size`` for a digit that runs freely.
    """

    digits: frozenset[str]
    boxes: tuple[tuple[tuple[int, ...], ...], ...]
    apart: int
    roots: frozenset[str]

    def numbers(self) -> list[int]:
        """Return the share as the clock reads it."""
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
            used = words[0].accesses or self._largest(stream, stream.words[0].accesses)
            own = frozenset(d for access in used for d in self._digits(access)) & stream.own
        return replace(stream, words=words, own=own)

    def _settled(self, entry: Words, stream: Stream) -> list[Words]:
        if not entry.accesses:
            return [entry]
        wanted = self._largest(stream, entry.accesses)
        left = [a for a in wanted if not any(self._contains(stream, b, a) for b in entry.apart)]
        if not left:
            return []
        apart = tuple(b for b in self._largest(stream, entry.apart) if any(self._meet(a, b) for a in left))
        if len(left) == 1 and not apart and not any(is_window(self.nest, i) for i in left[0].indices):
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
        pairs = zip(self._indices(one), self._indices(other), strict=True)
        return all(mine == its or self._is_whole(stream, mine) for mine, its in pairs)

    def _meet(self, one: Access, other: Access) -> bool:
        """Return whether *one* and *other* may name an element in common: not where a constant tells them apart."""
        for mine, its in zip(self._indices(one), self._indices(other), strict=True):
            fixed = not any(map(is_variable, (*names(mine), *names(its))))
            if fixed and finite_value_of(mine, self.known) != finite_value_of(its, self.known):
                return False
        return True

    def _is_whole(self, stream: Stream, index: Expression) -> bool:
        if not isinstance(index, Name) or index.name not in self.nest.roots:
            return False
        turning = (d for d in digits_of(self.nest, [index.name]) if d in stream.loops)
        return not any(self.geometry.points([d], {}) > 1 for d in turning)

    def _indices(self, access: Access) -> tuple[Expression, ...]:
        """Return the indices of *access* without that of its generation: one generation is there at a time."""
        tensor = self.mapped.cascade.tensors[access.tensor]
        pairs = zip(tensor.ranks, access.indices, strict=True)
        return tuple(index for rank, index in pairs if rank != tensor.generation)

    def _digits(self, access: Access) -> frozenset[str]:
        variables = (n for index in self._indices(access) for n in names(index) if is_variable(n))
        return digits_of(self.nest, variables)

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
        if len(found) > clock.MAX_SHARES or any(len(s.boxes) > clock.MAX_BOXES for s in found):
            raise FusemaxError(
                f"nest {self.nest.name} of mapping {self.mapped.name}: {stream.name} reads one tensor in more ways than the "
                f"simulator counts ({clock.MAX_SHARES} tensors, {clock.MAX_BOXES} accesses to each)\n"
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
        if len(terms) > clock.MAX_TERMS:
            raise FusemaxError(
                f"mapping {self.mapped.name} cannot be simulated tile by tile: {index} has more than {clock.MAX_TERMS} ranks"
                "\n  hint: 'fusemax cost' counts it"
            )
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
