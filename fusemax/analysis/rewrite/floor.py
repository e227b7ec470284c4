"""Semantic floors: outputs for which every algorithm makes two passes, or holds a whole fibre."""

from __future__ import annotations

from dataclasses import dataclass

from fusemax.analysis.rewrite.normal import View
from fusemax.language.syntax import Populate


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
    """Return the outputs of the cascade that have the rank and depend on a reduction over all of it."""
    floors = []
    for name in seen.cascade.outputs:
        maker = seen.maker(name)
        if maker is None:
            continue
        behind = tuple(r for r in seen.reductions if r in seen.needs[name])
        if seen.carries(name) and behind:
            floors.append(Floor(name, seen.rank, behind))
    for einsum in seen.cascade.computed:
        action = einsum.action
        if isinstance(action, Populate) and action.operator == "sort" and action.source in seen.variables:
            floors.append(Floor(einsum.outputs[-1].tensor, seen.rank, (f"sort over {action.source}",)))
    return tuple(floors)
