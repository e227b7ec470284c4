"""Room: the largest tile of each kept tensor, from the elements that are touched while it is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tests.walk.space import Element
from tests.walk.trace import Step, Trace


def largest_tiles(trace: Trace, steps: Sequence[Step]) -> dict[tuple[str, str], int]:
    """Return, by level and tensor, the words of the largest tile with all its buffers, over all places of the tensor there."""
    found: dict[tuple[str, str], int] = {}
    for place in trace.nest.residences:
        if place.buffers == 0:
            continue
        tiles: dict[tuple[int, ...], set[Element]] = defaultdict(set)
        for step in steps:
            if place.covers(step.body.node):
                setting = tuple(step.setting[loop] for loop in place.loops)
                tiles[setting] |= trace.touched(step, place.tensor)
        key = (place.level, place.tensor)
        largest = max((len(tile) for tile in tiles.values()), default=0) * place.buffers
        found[key] = max(largest, found.get(key, 0))
    return found
