"""Tiles of chunks of which the last one ends early (``K[n1*N0+u]`` where N0 does not divide N): shorter there, or empty.

A short tile may be alone in its loop, and then stays while longer ones come and go; an empty one is none. They are visited one
by one (:func:`fusemax.cost.lattice_visits.region_moved`), where a closed form would take all of them as alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fusemax.cost.region import everywhere
from fusemax.cost.stays import Kept
from fusemax.cost.windows import Window


def in_chunks(kept: Kept, windows: Sequence[Window]) -> Kept | None:
    """Return *kept* with the chunks in which its *windows* end, to be listed; None where all chunks are alike to its loops.

    That is so unless a loop that does not move the tile has one inside that cuts the chunk: a short one may turn there once.
    """
    ends = tuple(end for window in windows if (end := window.ends()) is not None)
    if kept.band is not None or len(ends) != 1 or len(windows) != 1:
        return None
    nest, ((first, second),) = kept.extents.nest, ends
    foreign = [n for n, loop in enumerate(kept.loops) if loop not in kept.digits]
    inside = kept.loops[foreign[0] :] if foreign else ()
    if not any(loop in kept.digits and nest.root_of(loop).name == second for loop in inside):
        return None
    return replace(kept, band=everywhere(nest, first), ends=ends)
