"""How much of a kept tile the pairs of tiles inside touch under a mask or a window: a tile of columns, for a tile of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from fusemax.mapping.nest import Body, Mapped, Residence
from fusemax.simulate.tile.bands import Band, tile_of
from fusemax.simulate.tile.geometry import Geometry, residence_digits
from fusemax.simulate.tile.regions import plain_band
from fusemax.simulate.tile.values import Point


def most_seen(mapped: Mapped, geometry: Geometry, point: Point, residence: Residence) -> Mapping[str, int]:
    """Return the most elements that a tile of *residence* has of a root of which a band touches a part; often of none.

    That is so where the tile runs over columns alone, none of its loops moves these, and all that make it (or read it, if
    nobody does) stand under one band.
    """
    digits = residence_digits(mapped, geometry.nest, residence) - set(residence.loops)
    users = [body for body in geometry.nest.bodies if residence.covers(body.node)]
    makers = [body for body in users if _touches(mapped, body, residence.tensor, made=True)]
    readers = [body for body in users if _touches(mapped, body, residence.tensor, made=False)]
    bands = {plain_band(mapped, geometry, point, body) for body in (*makers, *readers)}
    band = bands.pop() if len(bands) == 1 else None
    if band is None:
        return {}
    first, *others = [body.loops for body in makers or readers]
    loops = [loop for loop in first if all(loop in other for other in others)]
    names = {digit.name: root.name for root in geometry.nest.roots.values() for digit in root.digits}
    for row, column in ((band.row, band.column), (band.column, band.row)):
        free = {names[digit] for digit in digits}
        held = {names[loop] for loop in residence.loops}
        plain = _from_outside(geometry, row, residence.loops) and _from_outside(geometry, column, loops)
        if column in free and row not in free and column not in held and plain:
            tall, wide = tile_of(geometry, row, residence.loops), tile_of(geometry, column, loops)
            return {column: _most(geometry, band, row == band.row, tall, wide)}
    return {}


def _touches(mapped: Mapped, body: Body, tensor: str, *, made: bool) -> bool:
    einsums = map(mapped.einsum, body.einsums)
    return any(access.tensor == tensor for e in einsums for access in (e.outputs if made else e.reads))


def _from_outside(geometry: Geometry, root: str, loops: Collection[str]) -> bool:
    """Return whether no digit of *root* is left out between those in *loops*, or outside of them."""
    flags = [digit.name in loops for digit in geometry.nest.roots[root].digits]
    return all(flags[: sum(flags)])


def _most(geometry: Geometry, band: Band, upright: bool, tall: int, wide: int) -> int:
    """Return the elements of the tiles of columns, *wide*, that the tile of rows, *tall*, touches which touches most.

    Rows and columns change places if not *upright*.
    """
    rows, columns = (geometry.sizes[name] for name in (band.row, band.column))
    rows, columns = (rows, columns) if upright else (columns, rows)
    first = np.arange(0, rows, tall, dtype=np.int64)
    last = np.minimum(first + tall, rows) - 1
    if band.sign > 0:
        low, high = band.low - last, band.high - first
    else:
        low, high = (first + band.low, last + band.high) if upright else (first - band.high, last - band.low)
    low, high = np.maximum(low, 0), np.minimum(high, columns - 1)
    tiles = np.where(low <= high, high // wide - low // wide + 1, 0)
    return int(min(columns, tiles.max() * wide))
