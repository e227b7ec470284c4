"""The order in which the Einsums of a cascade run; cycles are reported."""

from __future__ import annotations

from collections.abc import Mapping

from fusemax.cascade.ir import Cascade, Einsum, Tensor
from fusemax.errors import Place, Problem
from fusemax.language.syntax import Access, Name


def ordered(cascade: Cascade) -> tuple[tuple[Einsum, ...], list[Problem]]:
    """Return the Einsums in an order that respects the data flow, loops kept whole; report cycles."""
    blocks: dict[str, list[Einsum]] = {}
    for position, einsum in enumerate(cascade.einsums):
        key = f"loop {einsum.block}" if einsum.loop else f"{position:06d}"
        blocks.setdefault(key, []).append(einsum)
    inner: list[list[Einsum]] = []
    problems: list[Problem] = []
    for block in blocks.values():
        ordered_ = _sorted(cascade.tensors, [[einsum] for einsum in block], problems, within_loop=True)
        inner.append([einsum for part in ordered_ for einsum in part])
    outer = _sorted(cascade.tensors, inner, problems, within_loop=False)
    return tuple(einsum for part in outer for einsum in part), problems


def _sorted(
    tensors: Mapping[str, Tensor], parts: list[list[Einsum]], problems: list[Problem], within_loop: bool
) -> list[list[Einsum]]:
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from(range(len(parts)))
    writer: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        for einsum in part:
            for output in einsum.outputs:
                writer.setdefault(output.tensor, []).append(number)
    for number, part in enumerate(parts):
        for einsum in part:
            for access in einsum.reads:
                for source in writer.get(access.tensor, ()):
                    if within_loop and _earlier_generation(tensors.get(access.tensor), access, einsum):
                        continue
                    if source != number or within_loop:
                        graph.add_edge(source, number)
            if einsum.loop and not within_loop:
                for source in {s for output in einsum.outputs for s in writer[output.tensor]} - {number}:
                    graph.add_edge(source, number)
    try:
        return [parts[n] for n in networkx.lexicographical_topological_sort(graph)]
    except networkx.NetworkXUnfeasible:
        cycle = [source for source, _ in networkx.find_cycle(graph)]
        members = [parts[number][0] for number in cycle]
        chain = " -> ".join(f"{e.name} (line {line_of(e.place)})" for e in (*members, members[0]))
        text = f"these Einsums need each other: {chain}"
        hint = "a value may depend on an earlier generation of itself only: write X[i+1] from X[i] in a 'loop i:'"
        problems.append(Problem(min(e.place for e in members if e.place), text, hint))
        return parts


def _earlier_generation(tensor: Tensor | None, access: Access, einsum: Einsum) -> bool:
    """Return whether *access* reads, inside its loop, the generation that the previous iteration wrote."""
    if tensor is None or einsum.loop is None or tensor.generation != einsum.loop.upper():
        return False
    index = access.indices[tensor.ranks.index(tensor.generation)]
    return index == Name(einsum.loop)


def line_of(place: Place | None) -> str:
    """Return the line of *place* as text."""
    return str(place.line) if place else "?"
