"""Which visits see a whole fibre: filters and shifted indices may leave parts of it out.

The coordinates of a fibre are those that some visit reads. A visit is complete when it reads all of them.
A condition that all visits share narrows the fibre itself where the fibre fixes the condition's other
variables, or where the tensor was written under it. Otherwise the visit sees most at one end of the other
variables (``m <= p`` at the last p), and a chain may only be claimed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fusemax.analysis.members import Visit, folded_names
from fusemax.analysis.narrowing import alone
from fusemax.analysis.plain import BOTH, Filter, Node, Plain, Variable
from fusemax.analysis.standing import standing
from fusemax.cascade.ir import is_variable

Words = tuple[str, ...]


def complete_visits(
    form: Plain, tensor: str, positions: tuple[int, ...], every: Sequence[Visit], unseen: bool = False
) -> Mapping[Visit, frozenset[str]]:
    """Return the complete ones among *every* visit, each with the ends ("start", "end") where it is complete.

    An empty set stands for anywhere. With *unseen* readers, which may read anything, no condition is shared by all.
    """
    beyond = unseen or any(visit.shifted and not visit.point for visit in every)
    own = frozenset() if beyond else _own_conditions(form, tensor)
    described = {visit: _described(form.nodes[visit.number], visit, positions) for visit in every}
    conditions = [
        visit.narrowed_words if visit.shifted else frozenset(described[visit]) | visit.narrowed_words
        for visit in every
    ]
    common = frozenset.intersection(*conditions) if conditions and not unseen else frozenset()
    written = [
        frozenset(described[visit]) | visit.narrowed_words for visit in every if not visit.point
    ]  # who reads beyond what is written makes the fibre longer than that
    own = frozenset.intersection(own, *written)
    found: dict[Visit, frozenset[str]] = {}
    ranks = len(form.ranks[tensor])
    for visit in every:
        shared = {words for words in common if not _is_loose(words, ranks)}
        ends = elsewhere(form.nodes[visit.number], visit)
        left_out = [
            one.end
            for one in visit.narrowed
            if one.words not in described[visit] and one.words not in own | shared
        ]
        if not visit.complete or ends is None or None in left_out:
            continue
        ends |= {end for end in left_out if end is not None}
        for words, one in described[visit].items():
            end = _seen(form.nodes[visit.number], visit, one, words in common, words in own)
            if end is None:
                break
            ends |= end
        else:
            if len(ends) < 2:
                found[visit] = frozenset(ends)
    return found


def _is_loose(words: Words, ranks: int) -> bool:
    """Return whether a condition names what is no coordinate of the fibre, of *ranks*: it narrows each visit differently."""
    followed = (int(word[1:-1]) for word in words if word[:1] == "<" and word[1:-1].isdigit())
    return any(number >= ranks for number in followed) or any(
        is_variable(word) for word in words if word.isidentifier()
    )


def _own_conditions(form: Plain, tensor: str) -> frozenset[Words]:
    """Return the conditions under which all of *tensor* is written, in terms of its coordinates."""
    sets: list[frozenset[Words]] = []
    for node in form.nodes:
        for output in node.outputs:
            if output.tensor != tensor or node.einsum.initial:
                continue
            names = {
                i.name: f"<{q}>"
                for q, i in enumerate(output.indices)
                if isinstance(i, Variable) and not i.offset
            }
            sets.append(
                frozenset(
                    one.renamed(names)
                    for one in (*node.filters, *node.follows)
                    if set(one.variables) <= set(names)
                )
            )
    return frozenset.intersection(*sets) if sets else frozenset()


def elsewhere(node: Node, visit: Visit) -> set[str] | None:
    """Return the end at which conditions on other variables hold; None for nowhere, empty for both ends.

    Those that tell how far a variable is from an end of its rank are left to the caller, who knows where it stands.
    """
    swept = visit.inner.union(visit.variables)
    if standing(node, swept, visit.fixed) is None:
        return None
    possible = set(BOTH)
    for one in node.filters:
        if one.difference is None and one.unequal is None and swept.isdisjoint(one.variables):
            possible &= BOTH if one.near else one.ends()
    return set() if possible == BOTH else possible or None


def wanted(node: Node, visit: Visit) -> tuple[tuple[int, tuple[str, float, float]], ...]:
    """Return how far from an end of its rank conditions want what stands so far from the corner."""
    swept = visit.inner.union(visit.variables)
    fixed = {name: offset for name, _, offset in visit.fixed}
    found = [
        (fixed.get(one.variables[0], 0), one.near)
        for one in node.filters
        if one.near is not None and one.variables[0] not in swept
    ]
    return (*found, *visit.stands)


def _described(node: Node, visit: Visit, positions: tuple[int, ...]) -> dict[Words, Filter]:
    """Return the filters that touch the fibre, by their words in terms of the fibre's coordinates."""
    names = {name: f"<{at}>" for name, at in zip(visit.variables, positions, strict=not visit.point)}
    names |= {
        name: f"<{coordinate}>" for name, coordinate, offset in visit.fixed if offset == 0 <= coordinate
    }
    touching: Iterable[Filter] = (
        one for one in (*node.filters, *node.follows) if any(v in visit.variables for v in one.variables)
    )
    names |= folded_names(node, visit.inner & node.reduced, names)
    return {one.renamed(names): one for one in touching}


def _seen(node: Node, visit: Visit, one: Filter, shared: bool, own: bool) -> set[str] | None:
    """Return at which end of its other variables a filtered visit is complete; None when it is nowhere."""
    if own:
        return set()
    fixed = {name: offset for name, _, offset in visit.fixed}
    reaches = one.allows_every({v for v in one.variables if v in visit.variables})
    if not (shared or reaches or set(one.variables) - set(visit.variables)):
        return None
    ends: set[str] = set()
    for name in one.variables:
        if name in visit.variables or (shared and fixed.get(name) == 0):
            continue
        if name in visit.inner:
            if not shared and not (reaches and alone(node, one, name)):
                return None
            continue
        slope = one.slope(name)
        if slope == 0 or fixed.get(name, 0) != 0 or not (shared or reaches):
            return None
        ends.add("end" if slope < 0 else "start")
    return ends
