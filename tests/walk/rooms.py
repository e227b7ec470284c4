"""Room: the largest tile of each kept tensor, element by element."""

from __future__ import annotations

from tests.walk.trace import Trace


def largest_tiles(trace: Trace) -> dict[tuple[str, str], int]:
    """Return, by level and tensor, the words of the largest tiles with their buffers, of all places of the tensor there.

    A tile has its whole room, whatever part of it a mask leaves.
    """
    found: dict[tuple[str, str], int] = {}
    for place in trace.nest.residences:
        settings = trace.space.settings(place.loops, {})
        largest = max((len(trace.tile(place, setting)) for setting in settings), default=0)
        if place.buffers:
            key = (place.level, place.tensor)
            found[key] = found.get(key, 0) + largest * place.buffers
    return found
