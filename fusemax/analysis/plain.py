"""A cascade in plain form for the analysis: every index is one variable with an offset, or a constant.

Ranks that are read in mixed radix are split wherever they occur: with ``K[e, m1*M0+m0]`` anywhere, K has the
ranks [E, M1, M0], and a plain ``m`` stands for ``m1, m0``. An index that has no such form is :class:`Opaque`,
with the reason: no claim rests on it.
"""

from __future__ import annotations

from dataclasses import replace

from fusemax.analysis.filters import BOTH, INFINITY, Filter, follow_from
from fusemax.analysis.indices import End, Index, Node, Opaque, Plain, Reading, Start, Variable, sequence
from fusemax.analysis.split import SHIFTED, Splitter
from fusemax.cascade.ir import Cascade

__all__ = [
    "BOTH",
    "INFINITY",
    "SHIFTED",
    "End",
    "Filter",
    "Index",
    "Node",
    "Opaque",
    "Plain",
    "Reading",
    "Start",
    "Variable",
    "indexed_by",
    "plain",
    "sequence",
]


def plain(cascade: Cascade, *, split: bool = True) -> Plain:
    """Return *cascade* in plain form (its batch ranks stay out: they are independent copies).

    Without *split* no rank is written in parts: indices made of tiles are unknown then, shifted ones are known.
    """
    splitter = Splitter(cascade, split)
    written = (splitter.node(number, einsum) for number, einsum in enumerate(cascade.einsums))
    nodes = tuple(replace(node, follows=follow_from(node.filters)) for node in written)
    ranks = {
        name: tuple(part for rank in tensor.ranks for part in splitter.parts(rank))
        for name, tensor in cascade.tensors.items()
    }
    readings: dict[str, list[tuple[Node, Reading]]] = {}
    for node in nodes:
        for reading in node.reads:
            readings.setdefault(reading.tensor, []).append((node, reading))
    by_tensor = {tensor: tuple(found) for tensor, found in readings.items()}
    return Plain(cascade=cascade, nodes=nodes, ranks=ranks, digits=dict(splitter.digits), readings=by_tensor)


def indexed_by(index: Index) -> tuple[str, ...] | None:
    """Return the variables in an index; None when it is not known what it reads."""
    if isinstance(index, Variable):
        return (index.name,)
    return (index.variables or None) if isinstance(index, Opaque) else ()
