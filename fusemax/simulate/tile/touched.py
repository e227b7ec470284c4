"""What the bodies inside touch of a kept tile while it stays, listed; and which of its tiles have no element at all.

An iteration in which a tile is empty - a chunk that has ended, a window beyond the end of its tensor - takes no place: the
tile before it stays (docs/mappings.md, "What is counted", 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusemax.language.syntax import Access
from fusemax.simulate.tile import columns as clock
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.listed import Listing, trips_of
from fusemax.simulate.tile.shares import Share, Shares
from fusemax.simulate.tile.streams import Stream
from fusemax.simulate.tile.visits import MOST_VISITS, Visits


@dataclass(frozen=True, slots=True)
class Touched:
    """Elements of a tensor that ``accesses`` mean: ``elements`` is bool[iteration of ``loops``, element], as in ``listing``.

    ``roots`` are those that move them.
    """

    loops: tuple[str, ...]
    roots: frozenset[str]
    accesses: tuple[Access, ...]
    listing: Listing
    elements: np.ndarray

    def visits(self, geometry: Geometry) -> Visits:
        """Return the iterations in which there is an element."""
        some = np.asarray(self.elements.any(axis=1))
        return Visits(self.loops, some.reshape(trips_of(geometry, self.loops)))


def touched_of(
    geometry: Geometry, shares: Shares, stream: Stream, uses: Sequence[tuple[Access, Visits | None]]
) -> Touched:
    """Return what *uses* - accesses, each with the iterations in which its body is done - touch of the tile of *stream*."""
    nest = geometry.nest
    accesses = list(dict.fromkeys(access for access, _ in uses))
    tied = {nest.root_of(loop).name for _, visits in uses if visits is not None for loop in visits.loops}
    together = stream.own & stream.anew if stream.again or stream.returns else stream.own
    listing = shares.listing(stream.words[0], accesses, tied, together)
    tied |= listing.roots(accesses)
    loops = [loop for loop in stream.loops if nest.root_of(loop).name in tied]
    elements = listing.elements(loops, uses, accesses)
    return Touched(tuple(loops), frozenset(tied), tuple(accesses), listing, elements)


def tiles_there(geometry: Geometry, stream: Stream, share: Share) -> Visits | None:
    """Return the iterations in which a box of *share* has an element; None where all have, or are too many to list."""
    roots = list(geometry.nest.roots)
    loops = tuple(loop for loop in stream.loops if geometry.nest.root_of(loop).name in share.roots)
    trips = trips_of(geometry, loops)
    if not share.boxes or math.prod(trips) > MOST_VISITS:
        return None
    digits = (
        np.indices(trips, dtype=np.int64).reshape(len(trips), -1) if loops else np.zeros((0, 1), np.int64)
    )
    some = np.zeros(digits.shape[1], bool)
    for box in share.boxes:
        mine = np.ones(digits.shape[1], bool)
        for constant, limit, *terms in box:
            low, high = np.full_like(some, constant, np.int64), np.full_like(some, constant, np.int64)
            for term, factor in zip(terms[::2], terms[1::2], strict=True):
                first, last = _range(geometry, stream, roots, loops, digits, term)
                low += factor * (first if factor > 0 else last)
                high += factor * (last if factor > 0 else first)
            mine &= (low < limit) & (high >= 0)
        some |= mine
    return None if bool(some.all()) else Visits(loops, some.reshape(trips))


def _range(
    geometry: Geometry,
    stream: Stream,
    roots: Sequence[str],
    loops: Sequence[str],
    digits: np.ndarray,
    term: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and the last value of a *term* of a box in each iteration of *loops*."""
    low = np.zeros(digits.shape[1], np.int64)
    if term < 0:
        return low, low - 2 - term
    if term >= clock.MAX_ROOTS:
        at = digits[loops.index(stream.loops[term - clock.MAX_ROOTS])]
        return at, at
    extent = np.full_like(low, geometry.sizes[roots[term]])
    for k, loop in enumerate(loops):
        if geometry.nest.root_of(loop).name == roots[term]:
            unit = geometry.unit(loop)
            low = low + digits[k] * unit
            extent = np.minimum(extent - digits[k] * unit, unit)
    return low, low + extent - 1
