"""Which tasks of each stream are done: those of one core, for tiles in which the conditions of its bodies leave a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Body, Mapped, Nest
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.bands import Band, tile_of
from fusemax.simulate.tile.cores import Members
from fusemax.simulate.tile.geometry import Geometry, is_window, residence_digits
from fusemax.simulate.tile.regions import conditions_of
from fusemax.simulate.tile.streams import DRAIN, Stream
from fusemax.simulate.tile.values import Point
from fusemax.simulate.tile.wanted import BITS


class Filters:
    """The conditions and the core of every stream of a nest, for the arrays of the clock.

    Attributes
    ----------
    bands
        By stream: the conditions of the bodies that it serves; none when one of them has none.
    record
        Which tasks the core does, as bits.
    """

    def __init__(
        self, mapped: Mapped, nest: Nest, geometry: Geometry, point: Point, streams: Sequence[Stream],
        members: Members | None,
    ) -> None:  # fmt: skip
        self.mapped, self.nest, self.geometry = mapped, nest, geometry
        self.streams, self.members = streams, members
        of_body = {body.node: conditions_of(mapped, geometry, point, body)[0] for body in nest.bodies}
        self.tiled = [self._tiled(stream, of_body) for stream in streams]
        self.bands = [[band for band, _, _ in tiled] for tiled in self.tiled]
        self.places, self.record = self._records()

    def _tiled(
        self, stream: Stream, of_body: dict[tuple[int, ...], Band | None]
    ) -> list[tuple[Band, int, int]]:
        """Return each condition with the tiles of rows and columns in which its body works."""
        found: dict[tuple[Band, int, int], None] = {}
        for body in self._served(stream):
            band = of_body[body.node]
            if band is None:
                return []
            rows, columns = (tile_of(self.geometry, root, body.loops) for root in (band.row, band.column))
            found[band, rows, columns] = None
        if len(found) > clock.MAX_BANDS:
            raise FusemaxError(
                f"nest {self.nest.name} of mapping {self.mapped.name}: {stream.name} serves bodies under {len(found)} "
                f"conditions, the simulator takes {clock.MAX_BANDS}"
            )
        return list(found)

    def _served(self, stream: Stream) -> Iterator[Body]:
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
        """Return the roots of a kept tile of which its bodies may touch only a part; none when they touch all of it."""
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
        if whole:
            return set()
        parts = {root for root in roots if not self._whole_root(root, digits)}
        if parts or stream.words[0].accesses or len({(b.row, b.column, b.sign) for b in self.bands[number]}) > 1 or (
            len(tiled) > 1 and len(roots) > 1
        ):  # fmt: skip
            raise FusemaxError(
                f"nest {self.nest.name} of mapping {self.mapped.name}: {stream.name} moves tiles of which conditions leave "
                f"a part that the simulator does not count\n  hint: keep {stream.residence.tensor} inside the loops over "
                f"{' and '.join(sorted(roots))}, or use 'fusemax cost'"
            )
        return roots

    def _is_cut(self, stream: Stream) -> bool:
        """Return whether the tile is named by sums of ranks: pairs outside the condition lie outside the tensor too."""
        return any(is_window(self.nest, i) for access in stream.words[0].accesses for i in access.indices)

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
            loop for body in self._served(stream) for loop in body.loops
            if self.nest.root_of(loop).name == root and self.geometry.points([loop], {}) > 1
        }  # fmt: skip

    def _whole_root(self, root: str, digits: frozenset[str]) -> bool:
        return all(digit.name in digits for digit in self.nest.roots[root].digits)

    def _records(self) -> tuple[dict[tuple[str, ...], int], np.ndarray]:
        """Return where the record of the tasks stands that each set of spread loops tells apart, and all of them."""
        places: dict[tuple[str, ...], int] = {}
        parts = [np.zeros(0, np.int64)]
        for stream in self.streams:
            mine = self._spread(stream)
            if mine and mine not in places and self.members is not None:
                places[mine] = sum(map(len, parts))
                parts.append(self.members.record(mine))
        return places, np.concatenate(parts)

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
        names = list(self.nest.roots)
        for b, (band, rows, columns) in enumerate(self.tiled[number]):
            at = clock.BAND + b * clock.BAND_WIDTH
            values = (names.index(band.row), names.index(band.column), band.low, band.high, rows, columns)
            row[at : at + clock.BAND_WIDTH] = (*values, -band.sign)
        row[clock.FILTERED] = bool(mine) or bool(self.tiled[number])
