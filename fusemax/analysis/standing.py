"""Where the variables of an Einsum that nothing fixes may stand, so that its conditions hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from fusemax.analysis.plain import Node

WIDEST = 2  #: shifts of a fibre that are followed, at most
CORNER = -1  #: in place of a coordinate of X: relative to the corner where free variables stand
Fixed = tuple[str, int, int]


def standing(node: Node, swept: Set[str], fixed: Sequence[Fixed]) -> list[Fixed] | None:
    """Return where free variables of *node* are put so that its filters hold beside *fixed*; None for nowhere.

    Filters that touch a *swept* variable are left to it. A free variable that may stand where the other one does
    stays free; for ``k < t`` t stands right after k.
    """
    known = {name: (coordinate, offset) for name, coordinate, offset in fixed}
    placed: list[Fixed] = []
    for one in node.filters:
        if not swept.isdisjoint(one.variables):
            continue
        if one.unequal is not None:
            apart = _apart(one.unequal, known)
            if apart is None:
                return None
            placed += apart
            known |= {name: (coordinate, offset) for name, coordinate, offset in apart}
            continue
        if one.difference is None:
            if not (one.ends() if one.near is None else one.leaves_some()):
                return None
            continue
        x, y, low, high = one.difference
        (of_x, here), (of_y, there) = known.get(x, (CORNER, 0)), known.get(y, (CORNER, 0))
        if low <= here - there <= high:
            continue
        if x in known and y in known:
            return None
        apart = int(min(max(low, 0), high))
        moves_x = y in known or (x not in known and apart > 0)
        free, at = (x, (of_y, there + apart)) if moves_x else (y, (of_x, here - apart))
        known[free] = at
        placed.append((free, *at))
    return placed


def _apart(pair: tuple[str, str], known: Mapping[str, tuple[int, int]]) -> list[Fixed] | None:
    """Return where to put one of two variables so that they differ; None when both stand at one place."""
    x, y = pair
    (of_x, here), (of_y, there) = known.get(x, (CORNER, 0)), known.get(y, (CORNER, 0))
    if here != there:
        return []  # coordinates of the fibre all stand at the corner, each at its own distance
    if x in known and y in known:
        return None
    return [(x, of_y, there + 1)] if y in known else [(y, of_x, here + 1)]


def distances(nodes: Iterable[Node]) -> tuple[int, ...]:
    """Return how far conditions put variables apart that they keep from one place."""
    found: dict[int, None] = {}
    for one in (one for node in nodes for one in node.filters):
        low, high = one.difference[2:] if one.difference else (0, 0)
        by = 1 if one.unequal else int(min(max(low, 0), high))
        found |= {by: None, -by: None} if by else {}
    return tuple(by for by in found if abs(by) <= WIDEST)


def besides(node: Node, swept: Set[str], fixed: Sequence[Fixed], far: Sequence[int]) -> Iterator[Fixed]:
    """Return one variable of *node* that nothing fixes, *far* from the corner, where its conditions hold with it there.

    Others may be tied to that place: a chain holds where all its visits stand, whichever places they are.
    """
    known = {name for name, _, _ in fixed} | swept
    for name in sorted(node.output_variables - known) if far else ():
        for by in far:
            one = (name, CORNER, by)
            if standing(node, swept, (*fixed, one)) == []:
                yield one
