"""Room: the largest tile of each kept tensor, element by element."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fusemax.mapping.nest import Residence
from tests.walk.groups import Grouping
from tests.walk.space import Element
from tests.walk.trace import Step, Trace


def largest_tiles(trace: Trace, grouping: Grouping | None) -> dict[tuple[str, str], int]:
    """Return, by level and tensor, the words of the largest tiles with their buffers, of all places of the tensor there.

    A tile has its whole room, whatever part of it a mask leaves.
    """
    found: dict[tuple[str, str], int] = {}
    for place in trace.nest.residences:
        seen = place if grouping is None else grouping.seen(place)
        settings = trace.space.settings(seen.loops, {})
        largest = max((len(trace.tile(seen, setting)) for setting in settings), default=0)
        if place.buffers:
            key = (place.level, place.tensor)
            found[key] = found.get(key, 0) + largest * place.buffers
    return found


def most_at_once(
    trace: Trace, steps: Sequence[Step], word_bytes: Callable[[Residence], float], grouping: Grouping | None
) -> dict[str, float]:
    """Return, by level, the bytes of the kept tiles that are there at once, at the fullest moment.

    A tile is there from the first iteration that wants it to the last, before another takes its place. Tensors that are in one
    place take the room of the largest.
    """
    there: dict[str, dict[tuple[str, ...], dict[str, list[float]]]] = {}
    for place in trace.nest.residences:
        if place.staged or not place.buffers:
            continue
        group = next((g for g in trace.mapped.in_place if place.tensor in g), (place.tensor,))
        tensors = there.setdefault(place.level, {}).setdefault(group, {})
        mine = tensors.setdefault(place.tensor, [0.0] * len(steps))
        for tile, first, last in _tiles(trace, steps, place, grouping):
            for when in range(first, last + 1):
                mine[when] += len(tile) * word_bytes(place)
    return {level: _highest(list(groups.values())) for level, groups in there.items()}


def _tiles(
    trace: Trace, steps: Sequence[Step], place: Residence, grouping: Grouping | None
) -> list[tuple[frozenset[Element], int, int]]:
    """Return the tiles of *place*, one after the other, each with the iterations in which it is first and last wanted."""
    found: list[tuple[frozenset[Element], int, int]] = []
    seen = place if grouping is None else grouping.seen(place)
    if grouping is not None and place.level == grouping.level:
        steps = sorted(steps, key=grouping.moment)
    for when, step in enumerate(steps):
        used = any(place.tensor in wanted for wanted in (step.taken, step.given, step.again))
        if not used or not place.covers(step.body.node):
            continue
        tile = trace.tile(seen, {loop: step.setting[loop] for loop in seen.loops})
        if found and found[-1][0] == tile:
            found[-1] = (tile, found[-1][1], when)
        else:
            found.append((tile, when, when))
    return found


def _highest(groups: Sequence[dict[str, list[float]]]) -> float:
    """Return the most that *groups* of tensors take at once: of each group its largest."""
    largest = [list(map(max, zip(*tensors.values(), strict=True))) for tensors in groups]
    return max(map(sum, zip(*largest, strict=True)), default=0.0)
