"""Windows that overlap, ``X[m+u]``, ``X[m-2*u]``: at its first place a window reads X at m, and m runs over all of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fusemax.analysis.members import Member
from fusemax.analysis.plain import Index, Node, Opaque, Plain, Reading, Variable, sequence

PLACES = (0, 1)  #: places in a window that are followed; a rank has as many


def at_first_place(
    plain: Plain, node: Node, reading: Reading, member: Member
) -> tuple[Reading, frozenset[str]] | None:
    """Return *reading* at the first place of its windows, and the variables inside them; None for no such windows.

    Nothing else of the Einsum may hang on their variables, but one condition that every window meets at its first place.
    """
    if member.offsets != (0,) or member.cut or any(member.states):
        return None
    position = sum(member.positions)  # the only one
    index = reading.indices[position]
    whole = _whole(plain, reading.tensor, position, index)
    if not isinstance(index, Opaque) or whole is None or index.at(whole, 0) != 0 or not index.variables:
        return None
    before, after = reading.indices[:position], reading.indices[position + 1 :]
    tied = [one for one in node.filters if set(index.variables) & set(one.variables)]
    free = all(set(one.variables) == set(index.variables) and one.allows_every({whole}) for one in tied)
    if any(_hangs(other, index) for other in (*before, *after)) or not free or len(tied) > 1:
        return None
    first = replace(reading, indices=(*before, Variable(whole), *after))
    return first, frozenset(index.variables) - {whole}


def placed(plain: Plain, reading: Reading) -> Iterator[tuple[Reading, dict[str, int]]]:
    """Return *reading* at the first places of its windows, one after the other, with where the variables inside are then.

    Nothing for a read without windows.
    """
    wholes = {
        position: (_whole(plain, reading.tensor, position, index), index)
        for position, index in enumerate(reading.indices)
        if isinstance(index, Opaque)
    }
    inside = {name for whole, index in wholes.values() for name, _ in index.weights if name != whole}
    if not wholes or any(whole is None or whole in inside for whole, _ in wholes.values()):
        return
    for place in PLACES:
        indices = list(reading.indices)
        for position, (whole, index) in wholes.items():
            offset = None if whole is None else index.at(whole, place)
            if whole is None or offset is None:
                return
            indices[position] = Variable(whole, offset)
        if not any(isinstance(index, Variable) and index.name in inside for index in indices):
            yield replace(reading, indices=tuple(indices)), dict.fromkeys(inside, place)


def _whole(plain: Plain, tensor: str, position: int, index: Index) -> str | None:
    """Return the one variable of an index of several, of weight 1, that runs over the whole rank; None for none."""
    if not isinstance(index, Opaque) or len(index.weights) < 2:
        return None
    rank = sequence(plain.cascade, plain.ranks[tensor][position])
    names = [name for name, weight in index.weights if weight == 1]
    found = [name for name in names if sequence(plain.cascade, name.upper()) == rank]
    return found[0] if len(found) == 1 else None


def _hangs(other: Index, index: Opaque) -> bool:
    return isinstance(other, Opaque) or (isinstance(other, Variable) and other.name in index.variables)
