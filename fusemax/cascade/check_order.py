"""The order in which the Einsums of a cascade run; cycles are reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from fusemax.cascade.ir import Cascade, Einsum, Tensor
from fusemax.errors import Place, Problem
from fusemax.language.syntax import Access


def ordered(cascade: Cascade) -> tuple[tuple[Einsum, ...], list[Problem]]:
    """Return the Einsums in an order that respects the data flow, loops kept whole; report cycles."""
    problems: list[Problem] = []
    return tuple(_ordered(cascade.tensors, cascade.einsums, (), problems)), problems


def _ordered(
    tensors: Mapping[str, Tensor], einsums: Sequence[Einsum], loops: tuple[str, ...], problems: list[Problem]
) -> list[Einsum]:
    """Return the order of *einsums*, which all stand in *loops*."""
    blocks: dict[tuple[str, int], list[Einsum]] = {}
    for position, einsum in enumerate(einsums):
        inside = einsum.loops[len(loops) :]
        key = ("loop", inside[0].block) if inside else ("", position)
        blocks.setdefault(key, []).append(einsum)
    parts = [
        _ordered(tensors, part, (*loops, part[0].loops[len(loops)].variable), problems) if kind else part
        for (kind, _), part in blocks.items()
    ]
    return [einsum for part in _sorted(tensors, parts, loops, problems) for einsum in part]


def _sorted(
    tensors: Mapping[str, Tensor],
    parts: list[list[Einsum]],
    loops: tuple[str, ...],
    problems: list[Problem],
) -> list[list[Einsum]]:
    import networkx

    graph = cast(Any, networkx).DiGraph()
    graph.add_nodes_from(range(len(parts)))
    writer: dict[str, list[int]] = {}
    for number, part in enumerate(parts):
        for einsum in part:
            for output in einsum.outputs:
                writer.setdefault(output.tensor, []).append(number)
    for number, part in enumerate(parts):
        for einsum in part:
            whole = len(einsum.loops) > len(loops)  # a loop inside has an order of its own
            for access in einsum.reads:
                for source in writer.get(access.tensor, ()):
                    if _earlier_generation(tensors.get(access.tensor), access, loops):
                        continue
                    if source != number or (loops and not whole):
                        graph.add_edge(source, number)
            if whole and not loops:
                for source in {s for output in einsum.outputs for s in writer[output.tensor]} - {number}:
                    graph.add_edge(source, number)
    try:
        return [parts[n] for n in networkx.lexicographical_topological_sort(graph)]
    except networkx.NetworkXUnfeasible:
        cycle = [source for source, _ in cast(Any, networkx).find_cycle(graph)]
        members: list[Einsum] = [parts[number][0] for number in cycle]
        chain = " -> ".join(f"{e.name} (line {line_of(e.place)})" for e in (*members, members[0]))
        text = f"these Einsums need each other: {chain}"
        hint = "a value may depend on an earlier generation of itself only: write X[i+1] from X[i] in a 'loop i:'"
        problems.append(Problem(min(e.place for e in members if e.place), text, hint))
        return parts


def _earlier_generation(tensor: Tensor | None, access: Access, loops: Sequence[str]) -> bool:
    """Return whether *access* reads, inside *loops*, a generation that an earlier step wrote."""
    if tensor is None or len(access.indices) != len(tensor.ranks):
        return False
    return any(tensor.is_earlier(access, variable.upper()) for variable in loops)


def line_of(place: Place | None) -> str:
    """Return the line of *place* as text."""
    return str(place.line) if place else "?"
