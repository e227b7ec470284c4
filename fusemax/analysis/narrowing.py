"""Conditions under which a tensor is written: which of them leave coordinates of a fibre out, and where they leave none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from fusemax.analysis.kept import on_diagonal
from fusemax.analysis.members import Member, Narrowing, Stands
from fusemax.analysis.plain import End, Filter, Node, Reading, Start, Variable


def loose(
    node: Node, along: Sequence[Variable], names: Mapping[str, str], written: Mapping[str, tuple[int, int]]
) -> tuple[str, ...]:
    """Return the variables that conditions tie to ρ and that are written on: each place of them carries a part of ρ."""
    swept = {index.name for index in along}
    tied = [name for one in node.filters if swept & set(one.variables) for name in one.variables]
    return tuple(n for n in dict.fromkeys(tied) if n in written and n not in swept and n not in names)


def placed_near(
    node: Node,
    reading: Reading,
    swept: Set[str],
    places: Mapping[str, int],
    written: Mapping[str, tuple[int, int]],
) -> tuple[Stands, tuple[str, ...]] | None:
    """Return where conditions want coordinates that are not swept, and the variables written on that nothing fixes.

    *places* are the offsets at which variables stand beside the fibre's coordinates, others of *reading* stand where these do;
    None where that has no form.
    """
    found: set[tuple[int, tuple[str, float, float]]] = set()
    read = {index.name for index in reading.indices if isinstance(index, Variable)}
    free: dict[str, None] = {}
    for one in node.filters:
        if one.difference is not None or one.unequal is not None or not swept.isdisjoint(one.variables):
            continue
        loose_ones = [name for name in one.variables if name not in places]
        free |= dict.fromkeys(name for name in loose_ones if name in written)
        if one.near is not None:
            (name,) = one.variables
            if name in places or name in written or name in read:
                found.add((places.get(name, 0), one.near))
        elif any(places.get(name) for name in one.variables):
            return None
        else:
            found |= {(0, (end, 0, 0)) for end in one.ends()} if len(one.ends()) == 1 else set()
    return frozenset(found), tuple(free)


def narrowings(
    node: Node, along: Sequence[Variable], names: Mapping[str, str], ranks: int
) -> frozenset[Narrowing]:
    """Return the conditions on ρ under which *node* writes, where they leave coordinates of the fibre out.

    *names* are those of the coordinates that are followed, the first *ranks* of which are X's own.
    """
    swept = {index.name for index in along}
    own = {name for name, word in names.items() if word[1:-1].isdigit() and int(word[1:-1]) < ranks}
    left_out = [
        one
        for one in (*node.filters, *node.follows)
        if any(v in swept for v in one.variables)
        and not (_idle(node, one) and own.isdisjoint(set(one.variables) - swept))
    ]
    return frozenset(
        Narrowing(one.renamed(names), _harmless(node, one, swept, names), _meets(one, swept))
        for one in left_out
    )


def alone(node: Node, one: Filter, name: str) -> bool:
    """Return whether other conditions on variable *name* leave it the places that *one* wants, or what follows is told."""
    for other in node.filters:
        if other is one or name not in other.variables or (other.near and one.difference):
            continue
        alike = set(other.variables) == set(one.variables) and on_diagonal(one) and on_diagonal(other)
        if not alike:
            return False
    return True


def _meets(one: Filter, swept: Set[str]) -> str:
    """Return how every coordinate of ρ meets a condition for some place of its other variable."""
    inside, others = swept & set(one.variables), set(one.variables) - swept
    if len(inside) != 1 or len(others) != 1:
        return ""
    if on_diagonal(one):
        return "diagonal"
    return "alone" if one.unequal is not None or one.allows_every(inside) else ""


def still_narrowed(
    member: Member, reading: Reading, node: Node, here: frozenset[Narrowing]
) -> frozenset[Narrowing]:
    """Return the conditions that leave coordinates out once what *reading* reduces is folded.

    A fold over a coordinate that is none of X's carries all that any place of it carries.
    """
    kept = set(member.narrowed | here)
    for coordinate in range(member.ranks, len(member.traces)):
        trace = member.traces[coordinate]
        index = reading.indices[trace[1]] if trace[0] == "at" else None
        if trace[0] != "at" or (isinstance(index, Variable) and index.name not in node.reduced):
            continue
        if isinstance(index, (Start, End)):
            continue
        on_it = [one for one in kept if one.mentions(coordinate)]
        kept -= set(on_it)
        folded = isinstance(index, Variable)
        tied = [one for one in node.filters if isinstance(index, Variable) and index.name in one.variables]
        diagonal = all(one.meets == "diagonal" for one in on_it) and all(map(on_diagonal, tied))
        together = diagonal or (len(on_it) == 1 and on_it[0].meets and not tied)
        if not (together and folded and index.offset == trace[2]):
            kept |= {Narrowing(one.words) for one in on_it}
    return frozenset(kept)


def _harmless(node: Node, one: Filter, swept: Set[str], names: Mapping[str, str]) -> str | None:
    """Return the end of the fibre's other coordinates at which a condition leaves all of ρ; None for none."""
    others = [name for name in one.variables if name not in swept]
    if not others or not names.keys() >= set(one.variables):
        return None
    folded = [name for name in others if name in node.reduced]
    if not one.allows_every(swept & set(one.variables)) or not all(alone(node, one, n) for n in folded):
        return None
    slopes = {one.slope(name) for name in others}
    return {-1: "end", 1: "start"}.get(slopes.pop()) if len(slopes) == 1 else None


def _idle(node: Node, one: Filter) -> bool:
    """Return whether a condition with a reduced variable leaves some of them to each coordinate of ρ.

    Where that variable is a coordinate of the fibre itself, only those of ρ that go with it are carried on.
    """
    if one.difference is None or not any(v in node.reduced for v in one.variables):
        return False
    return one.difference[2] <= 0 <= one.difference[3]
