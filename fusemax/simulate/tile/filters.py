"""Which tasks of each stream are done: those of one core, for tiles in which the conditions of its bodies leave a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fusemax.cascade.ir import is_variable
from fusemax.language.syntax import Access, names
from fusemax.mapping.nest import Body, Mapped, Nest
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.bands import Band, tile_of
from fusemax.simulate.tile.cores import Members
from fusemax.simulate.tile.geometry import Geometry, is_window, residence_digits
from fusemax.simulate.tile.lasting import Kept
from fusemax.simulate.tile.regions import conditions_of
from fusemax.simulate.tile.shares import Shares
from fusemax.simulate.tile.streams import DRAIN, FILL, Stream
from fusemax.simulate.tile.touched import Touched, tiles_there, touched_of
from fusemax.simulate.tile.values import Point
from fusemax.simulate.tile.visits import Visits, either, visits_of
from fusemax.simulate.tile.wanted import BITS


class Filters:
    """The conditions and the core of every stream of a nest, for the arrays of the clock.

    Attributes
    ----------
    bands
        By stream: the conditions of the bodies that it serves; none when one of them has none, or where tasks are listed.
    visits
        By stream: which of its tasks are done, where they are listed.
    record
        Which tasks the core does, and which those listed are, as bits.
    """

    def __init__(
        self, mapped: Mapped, nest: Nest, geometry: Geometry, point: Point, streams: Sequence[Stream],
        members: Members | None, shares: Shares,
    ) -> None:  # fmt: skip
        self.shares = shares
        self.mapped, self.nest, self.geometry, self.point = mapped, nest, geometry, point
        self.streams, self.members = streams, members
        self.of_body = {body.node: conditions_of(mapped, geometry, point, body) for body in nest.bodies}
        self.tiled = [self._tiled(stream) for stream in streams]
        self.bands = [[band for band, _, _ in tiled] for tiled in self.tiled]
        self.listed: dict[int, Touched] = {}
        self.visits = [self._with_elements(number, self._visits(number)) for number in range(len(streams))]
        for number, visits in enumerate(self.visits):
            if visits is not None:
                self.tiled[number], self.bands[number] = [], []
        self.places, self.visit_places, self.record = self._records()

    def _tiled(self, stream: Stream) -> list[tuple[Band, int, int]]:
        """Return each condition with the tiles of rows and columns in which its body works."""
        found: dict[tuple[Band, int, int], None] = {}
        for body in self.served(stream):
            band = self.of_body[body.node].band
            if band is None:
                return []
            rows, columns = (tile_of(self.geometry, root, body.loops) for root in (band.row, band.column))
            found[band, rows, columns] = None
        return list(found)

    def _visits(self, number: int) -> Visits | None:
        """Return which tasks of stream *number* are done, where bands do not say it or not what they touch; None else."""
        stream, bodies = self.streams[number], list(self.served(self.streams[number]))
        conditions = [self.of_body[body.node] for body in bodies]
        if not bodies or any(one.band is None and one.visits is None for one in conditions):
            return None
        bands = all(one.band is not None for one in conditions)
        if bands and len(self.tiled[number]) <= clock.MAX_BANDS and self._is_counted(number):
            return None
        return either(self.geometry, [self.visits_of_body(body) for body in bodies], stream.loops)

    def _with_elements(self, number: int, visits: Visits | None) -> Visits | None:
        """Return *visits* of stream *number*, which brings tiles, without those in which its tile is empty."""
        stream = self.streams[number]
        if stream.kind != FILL or stream.again or not stream.words or not stream.words[0].accesses:
            return visits
        if visits is not None or self.shares.is_listed(stream.words[0], stream):
            there = self.touched(number).visits(self.geometry)
            return visits if bool(there.done.all()) else there
        if self.tiled[number]:
            return visits
        found, _ = self.shares.shares(stream)
        return tiles_there(self.geometry, stream, found[0])

    def touched(self, number: int) -> Touched:
        """Return what bodies touch of the tile that transfer *number* moves, listed."""
        if number not in self.listed:
            uses = [
                (access, self.visits_of_body(body) if self.is_masked(body) else None)
                for access, body in self._uses(number)
            ]
            self.listed[number] = touched_of(self.geometry, self.shares, self.streams[number], uses)
        return self.listed[number]

    def _uses(self, number: int) -> Iterator[tuple[Access, Body]]:
        """Yield the accesses, each with its body, for which transfer *number* brings tiles, or takes them out."""
        stream = self.streams[number]
        made = stream.kind == DRAIN or stream.again
        for body in self.served(stream):
            for einsum in map(self.mapped.einsum, body.einsums):
                for access in einsum.outputs if made else einsum.reads:
                    if access.tensor == stream.words[0].tensor:
                        yield access, body

    def visits_of_body(self, body: Body) -> Visits:
        """Return which iterations of *body* are done."""
        visits = self.of_body[body.node].visits
        return visits_of(self.mapped, self.geometry, self.point, body) if visits is None else visits

    def is_masked(self, body: Body) -> bool:
        """Return whether not all iterations of *body* are done."""
        one = self.of_body[body.node]
        return one.band is not None or one.visits is not None

    def served(self, stream: Stream) -> Iterator[Body]:
        """Yield the bodies that a stream serves: its own, or those in a residence that use (what leaves: make) its tensor."""
        if stream.residence is None:
            yield from (body for body in [stream.body] if body is not None)
            return
        for body in self.nest.bodies:
            einsums = (self.mapped.einsum(name) for name in body.einsums)
            leaves = stream.kind == DRAIN
            accesses = (a for e in einsums for a in ((*e.outputs,) if leaves else (*e.reads, *e.outputs)))
            uses = any(access.tensor == stream.residence.tensor for access in accesses)
            if uses and stream.residence.covers(body.node):
                yield body

    def touched_roots(self, number: int) -> set[str]:
        """Return the roots of a kept tile of which its bodies, under bands, may touch only a part; none when all of it."""
        stream, tiled = self.streams[number], self.tiled[number]
        if stream.residence is None or not tiled or self._is_cut(stream):
            return set()
        digits = residence_digits(self.mapped, self.nest, stream.residence)
        roots = {
            root for band, _, _ in tiled for root in (band.row, band.column)
            if any(self.nest.root_of(d).name == root for d in digits)
        }  # fmt: skip
        fixed = set(stream.loops[: self.turning(number)])
        whole = all(self._body_loops(stream, root) <= fixed for root in roots)
        return set() if whole else roots

    def _is_counted(self, number: int) -> bool:
        """Return whether what bands touch of the tiles of stream *number* is a range of rows, of columns, or of pairs."""
        stream, tiled = self.streams[number], self.tiled[number]
        if stream.residence is not None and tiled and self._is_cut(stream):
            return all(
                self._lies_outside(access, band)
                for access in stream.words[0].accesses
                for band, _, _ in tiled
            )
        if self._has_names(number):
            return False
        roots = self.touched_roots(number)
        if not roots or stream.residence is None:
            return True
        digits = residence_digits(self.mapped, self.nest, stream.residence)
        parts = any(not self._whole_root(root, digits) for root in roots)
        ties = {(band.row, band.column, band.sign) for band, _, _ in tiled}
        several = len(ties) > 1 or (len(tiled) > 1 and len(roots) > 1)
        if parts or stream.words[0].accesses or several:
            return False
        if len(roots) > 1:  # then no loop that changes a pair is one that the tile stays through
            return True
        of_columns = tiled[0][0].column in roots
        kept = Kept(self.geometry, stream, self.turning(number), tiled, of_columns, self.members)
        return not kept.goes_on_otherwise()

    def _is_cut(self, stream: Stream) -> bool:
        """Return whether the tile is named by sums of ranks."""
        return any(is_window(self.nest, i) for access in stream.words[0].accesses for i in access.indices)

    def _has_names(self, number: int) -> bool:
        """Return whether bodies read the tile that is brought under several names, in ranks that bands tie."""
        stream = self.streams[number]
        if stream.kind != FILL or stream.again or not self.tiled[number]:
            return False
        tied = {root for band, _, _ in self.tiled[number] for root in (band.row, band.column)}
        described = self.mapped.cascade.tensors[stream.words[0].tensor]
        columns = zip(*{access.indices for access, _ in self._uses(number)}, strict=True)
        differ = [
            {n for index in column for n in names(index) if is_variable(n)}
            for rank, column in zip(described.ranks, columns, strict=True)
            if rank != described.generation and len(set(column)) > 1
        ]
        return any(self.nest.root_of(d).name in tied for used in differ for d in self.nest.digits_of(used))

    def _lies_outside(self, access: Access, band: Band) -> bool:
        """Return whether what *access* means where *band* leaves nothing lies outside of the tensor."""
        ranks = self.mapped.cascade.tensors[access.tensor].ranks
        sizes = {**self.point.known, **{d.upper(): float(n) for d, n in self.geometry.tiles.items()}}
        return any(
            rank in sizes and band.bounds(self.geometry, index, sizes[rank], sizes)
            for rank, index in zip(ranks, access.indices, strict=True)
        )

    def turning(self, number: int) -> int:
        """Return how many loops there are down to the innermost that changes the tile: it stays through those inside."""
        stream = self.streams[number]
        own = [
            k for k, loop in enumerate(stream.loops)
            if loop in stream.own and self.geometry.points([loop], {}) > 1
        ]  # fmt: skip
        return own[-1] + 1 if own else 0

    def _body_loops(self, stream: Stream, root: str) -> set[str]:
        return {
            loop for body in self.served(stream) for loop in body.loops
            if self.nest.root_of(loop).name == root and self.geometry.points([loop], {}) > 1
        }  # fmt: skip

    def _whole_root(self, root: str, digits: frozenset[str]) -> bool:
        return all(digit.name in digits for digit in self.nest.roots[root].digits)

    def _records(self) -> tuple[dict[tuple[str, ...], int], list[dict[int, int]], np.ndarray]:
        """Return where records stand: of the tasks that each set of spread loops tells apart, and of visits, by depth."""
        places: dict[tuple[str, ...], int] = {}
        listed: list[dict[int, int]] = []
        parts = [np.zeros(0, np.int64)]
        for stream, visits in zip(self.streams, self.visits, strict=True):
            mine = self._spread(stream)
            if mine and mine not in places and self.members is not None:
                places[mine] = sum(map(len, parts))
                parts.append(self.members.record(mine))
            listed.append({})
            for depth in range(1, 1 + len(visits.loops) if visits is not None else 0):
                assert visits is not None
                listed[-1][stream.loops.index(visits.loops[depth - 1])] = sum(map(len, parts))
                parts.append(visits.record(depth))
        return places, listed, np.concatenate(parts)

    def _spread(self, stream: Stream) -> tuple[str, ...]:
        return () if self.members is None else tuple(x for x in stream.loops if x in self.members.spread)

    def write(self, row: np.ndarray, number: int) -> None:
        """Write the filter of stream *number* into its *row* of the plan."""
        stream, mine = self.streams[number], self._spread(self.streams[number])
        if mine and self.members is not None:
            row[clock.MEMBER_DEPTH] = 1 + stream.loops.index(mine[-1])
            row[clock.MEMBER_AT] = self.places[mine] * BITS
            for loop, stride in self.members.strides(mine).items():
                row[clock.MEMBER_STRIDE + stream.loops.index(loop)] = stride
        row[clock.BANDS] = len(self.tiled[number])
        roots = list(self.nest.roots)
        for b, (band, rows, columns) in enumerate(self.tiled[number]):
            at = clock.BAND + b * clock.BAND_WIDTH
            values = (roots.index(band.row), roots.index(band.column), band.low, band.high, rows, columns)
            row[at : at + clock.BAND_WIDTH] = (*values, -band.sign)
        self._write_visits(row, number)
        row[clock.FILTERED] = bool(mine) or bool(self.tiled[number]) or self.visits[number] is not None

    def _write_visits(self, row: np.ndarray, number: int) -> None:
        """Write which tasks are done, where they are listed, by the loops down to each that matters."""
        visits, loops = self.visits[number], self.streams[number].loops
        row[clock.VISIT_AT : clock.VISIT_AT + clock.WIDTH] = -1
        if visits is None:
            return
        row[clock.NEVER] = not visits.done.any()
        stride = 1
        for loop, count in zip(reversed(visits.loops), reversed(visits.done.shape), strict=True):
            row[clock.VISIT_STRIDE + loops.index(loop)] = stride
            row[clock.VISIT_AT + loops.index(loop)] = self.visit_places[number][loops.index(loop)] * BITS
            stride *= count
