"""Which operations of a grid are worked out once and looked up, because they do not depend on some outer axis.

In a nest of loops an operation stands inside the innermost axis that it needs. It is then repeated for every value of the axes
around that one which it does not need. Operations that need the same axes are one group; a group that would be repeated much
is worked out over its own axes alone, into a table, so that the order in which a study names its axes costs nothing. Points
come in blocks, and what stands outside of the loops would be worked out in each of them: if it is much, it has a table too, of
one entry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusemax.cost.graph import Graph

Needs = tuple[frozenset[int], ...]
#: About how many simple operations an operation takes; 1 where none is given.
WEIGHTS: Mapping[str, float] = {
    "number": 0, "parameter": 0, "tile": 0, "item": 0, "/": 2, "**": 20, "log2": 20, "exp": 20, "fit": 400,
    "band_pairs": 200, "band_kinds": 400, "band_turns": 600, "band_most": 400, "window_sum": 2_000, "window_most": 400,
    "busiest_core": 1_000, "dealt_tiles": 200_000, "tiles_moved": 200_000, "cycle_ratio": 20_000, "dealt_tasks": 200_000,
    "region_tiles": 20_000, "region_moved": 200_000, "union_moved": 200_000,
    "region_tasks": 200_000,
}  # fmt: skip
REPEATED = 4  #: times that a group is repeated, from which a table pays
PER_VALUE = 4  #: operations for each value that is looked up, from which it pays
MUCH = (
    1_000  #: operations of a group from which it is kept, however seldom it is repeated: blocks repeat it too
)
MOST_VALUES = 2**21  #: float64 in one table: 16 MiB
MOST_WORK = 3e9  #: simple operations to fill one table: some seconds


@dataclass(frozen=True, slots=True)
class Table:
    """One group in a table: it is filled inside the first ``depth`` axes, over ``axes``, for the nodes ``values``.

    Without ``axes`` it has one entry for each value, which holds while the outer axes stay where they are.
    """

    number: int
    needs: frozenset[int]
    depth: int
    axes: tuple[int, ...]
    values: tuple[int, ...]


def needs_of(graph: Graph, axis_of: Mapping[str, int]) -> Needs:
    """Return the axes that each node needs; *axis_of* gives the axis of each name that changes."""
    needs: list[frozenset[int]] = []
    for node in graph.nodes:
        own = frozenset({axis_of[str(node.value)]}) if node.value in axis_of else frozenset[int]()
        needs.append(own.union(*(needs[operand] for operand in node.operands)))
    return tuple(needs)


def tables_of(
    graph: Graph, needs: Needs, users: Mapping[int, frozenset[int]], wanted: Sequence[int], lengths: Sequence[int]
) -> tuple[Table, ...]:  # fmt: skip
    """Return the groups that are worth a table, those of fewer axes first.

    Parameters
    ----------
    users
        The nodes that read each node.
    wanted
        The nodes that are results.
    lengths
        The number of values on each axis.
    """
    groups: dict[frozenset[int], list[int]] = {}
    for number, axes in enumerate(needs):
        groups.setdefault(axes, []).append(number)
    found: list[Table] = []
    results = set(wanted)
    for axes, members in sorted(groups.items(), key=lambda entry: (len(entry[0]), sorted(entry[0]))):
        depth = _outside(axes, lengths)
        own = tuple(sorted(axis for axis in axes if axis > depth))
        outside = [
            m for m in members if m in results or any(needs[user] != axes for user in users.get(m, ()))
        ]
        values = tuple(m for m in outside if graph.nodes[m].operation != "parameter")
        if values and _pays(graph, members, len(values), depth, own, lengths):
            found.append(Table(len(found), axes, depth, own, values))
    return tuple(found)


def _outside(axes: frozenset[int], lengths: Sequence[int]) -> int:
    """Return how many of the outermost axes a group needs, those of one value as well; no more than it has a use for."""
    others = (axis for axis, length in enumerate(lengths) if length > 1 and axis not in axes)
    return min(next(others, len(lengths)), max(axes, default=-1) + 1)


def _pays(
    graph: Graph, members: Sequence[int], values: int, depth: int, own: Sequence[int], lengths: Sequence[int]
) -> bool:  # fmt: skip
    entries = math.prod(lengths[axis] for axis in own)
    work = sum(WEIGHTS.get(graph.nodes[member].operation, 1.0) for member in members)
    if not own:  # all axes are those of the innermost loop
        return depth < len(lengths) and work >= max(MUCH, PER_VALUE * values)
    inside = math.prod(lengths[depth : max(own) + 1])
    if values * entries > MOST_VALUES or work * entries > MOST_WORK:
        return False
    often = work >= MUCH or inside >= REPEATED * entries
    return often and work >= PER_VALUE * values
