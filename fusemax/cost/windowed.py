"""Words of a window under a condition that cuts inside of the tensor (``X[p-n] | n <= p, p < n+3``).

What a tile holds of it depends on which of its inner tiles the condition touches, and these overlap along the window: they are
visited one by one (:func:`fusemax.cost.lattice_visits.region_moved`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import sympy

from fusemax.cost.conditions import Mask
from fusemax.cost.extents import ONE, Extents
from fusemax.cost.region import Region, region_of_band
from fusemax.cost.stays import Kept
from fusemax.cost.symbols import least
from fusemax.cost.visited_region import Inside
from fusemax.cost.ways import Way
from fusemax.cost.windows import Window
from fusemax.mapping.nest import Nest

ZERO = sympy.Integer(0)


def share_of(
    windows: Sequence[Window], extents: Extents, fixed: Collection[str], again: Collection[str] = ()
) -> sympy.Expr:
    """Return the part of all pairs of *windows* that are elements of their own, inside of the loops *fixed*.

    Pairs come in each iteration of the loops *again*.
    """
    share: sympy.Expr = ONE
    for window in windows:
        share *= window.share(extents, fixed, again)
    return share


@dataclass(frozen=True, slots=True)
class CutWindows:
    """The *windows* of a tensor that share ranks with *region*; *others* of it do not.

    None of them where another index of the tensor has a rank of such a window: each of its pairs may be an element of its own.
    """

    windows: tuple[Window, ...]
    others: tuple[Window, ...]
    region: Region

    def brought(
        self, kept: Kept, fixed: Collection[str], spread: Collection[str] = (), cores: sympy.Expr = ONE
    ) -> sympy.Expr:
        """Return the words of all tiles of *kept* that are brought in, inside of the loops *fixed*, to each of *cores*.

        The loops in *spread* number the tasks of these. With several windows, and of more tiles than can be visited: as if
        each visit of an inner tile brought it, or as if there were no condition, whichever is less; never too few.
        """
        inside = set(spread) - set(kept.loops)
        loops = tuple(d for d in kept.leaf if d in inside or d in kept.loops) if inside else kept.loops
        line = self.windows[0].line() if len(self.windows) == 1 else None
        tiles = Inside(kept.extents, kept.digits, loops, kept.leaf, self.region, spread, lines=line)
        most = self._every_visit(kept.extents, kept.digits, tiles.loops)
        if self.windows and all(one.is_exact(kept.extents, fixed) for one in self.windows):
            whole = replace(kept, band=None).words() * share_of(self.windows, kept.extents, fixed)
            most = least(most, whole)
        same = [loop for loop in spread if loop not in kept.digits]
        if same:
            most *= least(cores, kept.extents.points(same))
        words = most if line is None else tiles.visited(most, cores)
        return words * share_of(self.others, kept.extents, fixed)

    def read(self, extents: Extents, digits: Collection[str], loops: Sequence[str]) -> sympy.Expr:
        """Return the words that a body reads of a tensor with *digits* in all iterations of *loops* around it."""
        roots = {axis.root for axis in self.region.axes}.union(
            *({root.name for root in one.roots} for one in self.windows)
        )
        mine = {digit.name for name in roots for digit in extents.nest.roots[name].digits}
        own, carried = [loop for loop in loops if loop in mine], mine & set(digits)
        words = self._every_visit(extents, carried, own)
        if len(self.windows) == 1:
            line = self.windows[0].line()
            tiles = Inside(extents, carried, own, own, self.region, lines=line, stays=False)
            words = tiles.visited(words)
        return words * extents.points({*digits, *loops} - mine) * share_of(self.others, extents, loops, loops)

    def _every_visit(self, extents: Extents, digits: Collection[str], loops: Sequence[str]) -> sympy.Expr:
        """Return the words of all touched tiles in *loops*, each at every visit and as long as the longest of its kind."""
        kinds = self.region.kinds(extents, loops)
        if kinds is None:
            return extents.points({*digits, *loops})
        along = frozenset[str]().union(*(window.all_digits() for window in self.windows))
        beside = {*digits, *loops} - (along - set(loops))
        total: sympy.Expr = ZERO
        for times, held in kinds:
            words = times * held.points(beside)
            for window in self.windows:
                words *= window.elements(held, loops)
            total += words
        return total


def cut_windows(
    nest: Nest, windows: Collection[Window], mask: Mask | None, ways: Collection[Way]
) -> CutWindows | None:
    """Return those of *windows* that *mask* cuts inside of their tensor; None if there are none, or several *ways* to it."""
    if mask is None or len(ways) != 1 or any(window.is_inside_of(mask) for window in windows):
        return None
    region = mask if isinstance(mask, Region) else region_of_band(nest, mask)
    roots = {axis.root for axis in region.axes}
    cut = tuple(window for window in windows if roots & {root.name for root in window.roots})
    if not cut or any(window.ends() is not None for window in cut):
        return None
    (way,) = ways
    others = tuple(window for window in windows if window not in cut)
    for window in cut:
        names = {digit.name for root in window.roots for digit in root.digits}
        if sum(bool(side & names) for side in way) != 1:
            return CutWindows((), others, region)
    return CutWindows(cut, others, region)
