"""Tiles inside a digit that no loop runs over, though loops run over one outside and one inside of it (``for: [m2, m0]``).

Which of the digits between are there differs from tile to tile: such tiles are of several *kinds*, not only whole and short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.mapping.nest import Root
from fusemax.simulate.tile.geometry import Geometry
from fusemax.simulate.tile.listed import Table

MOST_KINDS_LISTED = 1 << 18  #: iterations of the loops of one root whose tiles are told apart
Shape = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """The kinds of tiles of one root: ``kinds`` by iteration of ``loops``, from bit ``shift`` of a class on, in ``bits``.

    ``like`` has digits of the loops that stand for each kind.
    """

    root: str
    loops: tuple[str, ...]
    kinds: np.ndarray
    like: tuple[Mapping[str, int], ...]
    shift: int
    bits: int

    def fixed(self, cls: int) -> Mapping[str, int]:
        """Return digits of the loops that stand for tiles of class *cls*."""
        kind = (cls >> self.shift) & ((1 << self.bits) - 1)
        return self.like[min(kind, len(self.like) - 1)]

    def table(self, loops: Sequence[str]) -> Table:
        """Return the bits of the class by iteration of *loops*, those of a stream."""
        strides = dict.fromkeys(self.loops, 0)
        step = 1
        for loop, count in zip(reversed(self.loops), reversed(self.kinds.shape), strict=True):
            strides[loop] = step
            step *= count
        return Table(
            tuple(strides.get(loop, 0) for loop in loops), tuple((self.kinds << self.shift).ravel().tolist())
        )


def has_gap(geometry: Geometry, root: Root, loops: Sequence[str]) -> bool:
    """Return whether *loops* run over a digit of *root* inside one, longer than one, that they do not run over."""
    used = [digit.name in loops for digit in root.digits]
    return any(
        not used[k] and any(used[k + 1 :]) and geometry.points([digit.name], {}) > 1
        for k, digit in enumerate(root.digits)
    )


def gap_of(geometry: Geometry, root: Root, loops: Sequence[str], shift: int) -> Gap:
    """Return the kinds of tiles of *root* inside *loops*.

    Raises
    ------
    FusemaxError
        When there are more iterations than are listed.
    """
    mine = tuple(loop for loop in loops if geometry.nest.root_of(loop) is root)
    trips = tuple(geometry.points([loop], {}) for loop in mine)
    listed = [
        [0, count - 1] if loop == root.digits[0].name and count > 1 else list(range(count))
        for loop, count in zip(mine, trips, strict=True)
    ]
    if np.prod([len(one) for one in listed]) > MOST_KINDS_LISTED:
        raise FusemaxError(
            f"nest {geometry.nest.name} loops over tiles of {root.name} inside digits that it does not loop over, in more"
            f" iterations than the simulator lists ({MOST_KINDS_LISTED:,})\n"
            f"  hint: loop over all digits of {root.name} from the outermost one in, or use 'fusemax cost'"
        )
    kinds = np.zeros(trips, np.int64)
    found: dict[Shape | None, int] = {}
    like: list[Mapping[str, int]] = []
    for digits in product(*listed):
        fixed = dict(zip(mine, digits, strict=True))
        shape = _shape(geometry, root, 0, geometry.sizes[root.name], fixed)
        if shape is not None and shape not in found:
            found[shape] = len(like)
            like.append(fixed)
        place = tuple(
            slice(0, max(1, count - 1)) if loop == root.digits[0].name and value == 0 else value
            for loop, value, count in zip(mine, digits, trips, strict=True)
        )
        kinds[place] = found.get(shape, 0)
    return Gap(root.name, mine, kinds, tuple(like), shift, max(len(like) - 1, 0).bit_length())


def _shape(
    geometry: Geometry, root: Root, position: int, extent: int, fixed: Mapping[str, int]
) -> Shape | None:
    """Return what of the digits from *position* on is there in *extent* elements; None for nothing."""
    if position == len(root.digits):
        return () if extent > 0 else None
    name = root.digits[position].name
    unit = geometry.unit(name)
    whole, part = divmod(extent, unit)
    if name in fixed:
        if fixed[name] < whole:
            return _shape(geometry, root, position + 1, unit, fixed)
        return _shape(geometry, root, position + 1, part, fixed) if part and fixed[name] == whole else None
    inside = _shape(geometry, root, position + 1, unit, fixed) if whole else None
    rest = _shape(geometry, root, position + 1, part, fixed) if part else None
    return None if inside is None and rest is None else (whole, inside, rest)
