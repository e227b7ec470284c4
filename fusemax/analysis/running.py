"""Running values: elements that hold all that came before them along a rank, or all after them."""

from __future__ import annotations

from collections.abc import Sequence, Set

from fusemax.analysis.members import Member, Visit
from fusemax.analysis.plain import Node, Reading, Variable
from fusemax.analysis.standing import CORNER, Fixed, standing


def runs_on(node: Node, output: Reading, along: Sequence[Variable]) -> frozenset[str]:
    """Return on which side of it an element of *output* holds all that is there over *along*: "before", "after".

    Each is made from its neighbour on that side, all its other coordinates alike.
    """
    if len(along) != 1:
        return frozenset()
    place = next(
        q for q, i in enumerate(output.indices) if isinstance(i, Variable) and i.name == along[0].name
    )
    sides = set()
    for reading in node.reads:
        if reading.tensor != output.tensor:
            continue
        others = [
            pair for q, pair in enumerate(zip(output.indices, reading.indices, strict=True)) if q != place
        ]
        written, read = output.indices[place], reading.indices[place]
        if isinstance(read, Variable) and read.name == along[0].name and all(a == b for a, b in others):
            assert isinstance(written, Variable)
            sides |= {-1: {"before"}, 1: {"after"}}.get(read.offset - written.offset, set())
    return frozenset(sides)


def at_its_end(
    node: Node,
    reading: Reading,
    member: Member,
    along: Sequence[Variable],
    inner: Set[str],
    fixed: Sequence[Fixed],
) -> Visit | None:
    """Return the visit that conditions narrow to one element of a running value that holds all, if they can."""
    if (
        not member.running
        or member.narrowed
        or member.stands
        or member.cut
        or member.loses(along)
        or len(along) != 1
    ):
        return None
    name = along[0].name
    known = {variable for variable, _, _ in fixed}
    for one in node.filters:
        if one.difference is None or name not in one.difference[:2]:
            continue
        x, y, low, high = one.difference
        other, low, high = (y, low, high) if x == name else (x, -high, -low)
        if other in inner or other in known:
            continue
        side = _holds_all(member.running, low, high)
        if side is None:
            continue
        end, apart = side
        placed = [*fixed, (name, CORNER, 0), (other, CORNER, -apart)]
        more = standing(node, inner, placed)
        if more is not None:
            return Visit(
                number=node.number,
                einsum=node.name,
                tensor=reading.tensor,
                variables=(),
                fixed=(*placed, *more),
                constants=((member.first[0], end, -1 if end == "end" else 0),),
                inner=frozenset(inner),
                narrowed=frozenset(),
                complete=True,
                place=node.einsum.place,
                shifted=True,
                point=True,
            )
    return None


def _holds_all(running: Set[str], low: float, high: float) -> tuple[str, int] | None:
    """Return at which end a running value holds all where its place lies in [low, high] of another variable, and how far off.

    The other variable stands so that nothing but the element at that end is left.
    """
    if "before" in running and low in (0, 1):
        return "end", int(low)
    return ("start", int(high)) if "after" in running and high in (0, -1) else None
