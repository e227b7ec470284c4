"""Semantic floors: outputs for which every algorithm makes two passes, or holds a whole fibre."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.analysis.rewrite.normal import View, mentions
from fusemax.cascade.ir import Cascade
from fusemax.language.syntax import Access, Expression, Populate


@dataclass(frozen=True, slots=True)
class Floor:
    """An output that carries the rank and needs all of it."""

    output: str
    rank: str
    behind: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"semantic floor of 2: output {self.output} has a value for each point of {self.rank}, and each needs all of "
            f"{self.rank} (through {', '.join(self.behind)}), so any algorithm visits {self.rank} twice or holds all of it"
        )


def floor_of(seen: View) -> tuple[Floor, ...]:
    """Return the outputs of the cascade that have the rank and depend on all of it, by reductions or the end of a loop."""
    floors = []
    ends = _ends(seen.cascade, seen.variables)
    for name in seen.cascade.outputs:
        maker = seen.maker(name)
        if maker is None:
            continue
        behind = tuple(r for r in seen.reductions if r in seen.needs[name]) or tuple(sorted(ends[name]))
        if seen.carries(name) and behind:
            floors.append(Floor(name, seen.rank, behind))
    for einsum in seen.cascade.computed:
        action = einsum.action
        lists = isinstance(action, Populate) and action.operator == "sort" and action.source in seen.variables
        if lists and einsum.outputs[-1].tensor in seen.cascade.outputs:
            assert isinstance(action, Populate)
            floors.append(Floor(einsum.outputs[-1].tensor, seen.rank, (f"sort over {action.source}",)))
    return tuple(floors)


def _ends(cascade: Cascade, variables: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    """Return, for each tensor, the loops' tensors of whose last generation along *variables* it is made."""
    found: dict[str, frozenset[str]] = {name: frozenset() for name in cascade.tensors}
    changed = True
    while changed:
        changed = False
        for einsum in cascade.einsums:
            behind = frozenset[str]().union(*(found[access.tensor] for access in einsum.reads))
            behind |= {a.tensor for a in einsum.reads if _is_end(cascade, a, variables)}
            for output in einsum.outputs:
                changed = changed or not behind <= found[output.tensor]
                found[output.tensor] |= behind
    return found


def _is_end(cascade: Cascade, access: Access, variables: tuple[str, ...]) -> bool:
    """Return whether *access* reads a loop's tensor at the end that it is not set at before the loop."""
    makers = cascade.producers(access.tensor)
    starts = [maker.output.indices for maker in makers if maker.initial]
    loops = [maker for maker in makers if maker.loop in variables]
    if not starts or not loops:
        return False

    def fixed(index: Expression) -> bool:
        return not mentions(index, tuple(v.lower() for v in cascade.ranks))

    along = [n for n, index in enumerate(loops[0].output.indices) if mentions(index, variables)]
    return any(
        fixed(access.indices[n]) and all(access.indices[n] != start[n] for start in starts) for n in along
    )
