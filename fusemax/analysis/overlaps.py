"""Windows that overlap, ``X[m+u]``, ``X[m-u]``: at its first place a window reads X at m, and m runs over all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fusemax.analysis.members import Member
from fusemax.analysis.plain import Index, Node, Opaque, Plain, Reading, Variable, sequence


def at_first_place(
    plain: Plain, node: Node, reading: Reading, member: Member
) -> tuple[Reading, frozenset[str]] | None:
    """Return *reading* at the first place of its windows, and the variables inside them; None for no such windows.

    Nothing else of the Einsum may hang on the two variables, but one condition that every window meets at its first place.
    """
    if member.offsets != (0,) or member.cut or any(member.states):
        return None
    position = sum(member.positions)  # the only one
    pair = _summed(reading.indices[position])
    rank = sequence(plain.cascade, plain.ranks[member.tensor][position])
    whole = [
        name for name, sign in pair.items() if sign == "+" and sequence(plain.cascade, name.upper()) == rank
    ]
    if len(whole) != 1:
        return None
    before, after = reading.indices[:position], reading.indices[position + 1 :]
    tied = [one for one in node.filters if set(pair) & set(one.variables)]
    free = all(set(one.variables) == set(pair) and one.allows_every(set(whole)) for one in tied)
    if any(_hangs(other, pair) for other in (*before, *after)) or not free or len(tied) > 1:
        return None
    first = replace(reading, indices=(*before, Variable(whole[0]), *after))
    return first, frozenset(pair) - {whole[0]}


def _summed(index: Index) -> dict[str, str]:
    """Return the variables of an index that is the sum or the difference of two, with their signs; else nothing."""
    if not isinstance(index, Opaque) or len(index.variables) != 2:
        return {}
    text = index.text.replace(" ", "")
    sign = "-" if "-" in text else "+"
    first, _, last = text.partition(sign)
    return {first: "+", last: sign} if {first, last} == set(index.variables) else {}


def _hangs(index: Index, pair: Mapping[str, str]) -> bool:
    return isinstance(index, Opaque) or (isinstance(index, Variable) and index.name in pair)
