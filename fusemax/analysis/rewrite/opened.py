"""The body of a loop that is there, seen at one generation, so that factors can be deferred in it.

At a fixed t, an Einsum that writes ``A[t,n]`` inside ``loop t`` is one like any other, and what the loop carries on
(``S[t,n]``, ``S[t+1,n]``) is data. So an identity of algebra that holds outside a loop holds inside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fusemax.analysis.plain import sequence
from fusemax.analysis.rewrite.normal import View, needs_of, rank_variables, view
from fusemax.cascade.ir import Cascade, Einsum, Frame
from fusemax.language.syntax import Name


def bodies(cascade: Cascade, rank: str) -> Iterator[View]:
    """Yield *cascade* along *rank* with the Einsums of one loop taken out of it, for each loop in which the rank is folded."""
    variables = view(cascade, rank).variables
    around: dict[tuple[Frame, ...], list[Einsum]] = {}
    for einsum in cascade.computed:
        if einsum.loop is not None and _is_of_one_generation(cascade, einsum):
            around.setdefault(einsum.loops, []).append(einsum)
    for frames, members in around.items():
        if set(variables) & {frame.variable for frame in frames}:
            continue
        folds = [e.name for e in members if variables[0] in e.reduced]
        if not folds:
            continue
        inside = {einsum.name: einsum for einsum in members}
        out = tuple(
            replace(e, loop=None, inner=()) if inside.get(e.name) is e else e for e in cascade.einsums
        )
        seen = view(replace(cascade, einsums=out), rank)
        seen = replace(seen, reductions=tuple(n for n in seen.reductions if n in folds), homes=inside)
        yield replace(seen, needs=needs_of(seen.cascade, seen.variables, seen.is_carried))


def _is_of_one_generation(cascade: Cascade, einsum: Einsum) -> bool:
    """Return whether *einsum* alone writes its tensors, at the generation of the loops around it and not at the next."""
    at_own = {Name(variable) for variable in einsum.loop_variables}
    return all(
        at_own <= set(output.indices) and len(cascade.producers(output.tensor)) == 1
        for output in einsum.outputs
    )


def arranged(seen: View, made: list[Einsum], others: list[Einsum], names: frozenset[str]) -> list[Einsum]:
    """Return the Einsums *made* for the reductions *names* with all *others*: in the loop of *seen*, after what they need."""
    if not seen.homes:
        return [*made, *others]
    home = next(iter(seen.homes.values()))
    start = next(
        n for n, e in enumerate(seen.cascade.einsums) if e.name in seen.homes or e.loops == home.loops
    )
    above = {einsum.name for einsum in seen.cascade.einsums[:start]}
    inside = [e for e in others if e.name in seen.homes or e.loops == home.loops]
    waiting = [e for e in inside if seen.needs[e.name] & names]
    body = [*(e for e in inside if e not in waiting), *made, *waiting]
    return [
        *(e for e in others if e not in inside and e.name in above),
        *(seen.at_home(einsum, home) for einsum in body),
        *(e for e in others if e not in inside and e.name not in above),
    ]


def told_in_loops(cascade: Cascade, rank: str) -> Iterator[tuple[str, str]]:
    """Yield each Einsum that folds *rank* inside a loop of the cascade, and what holds for it there."""
    waiting = {
        name for seen in bodies(cascade, rank) for name in seen.reductions if seen.needs[name] - {name}
    }
    over = {sequence(cascade, name.upper()) for name in rank_variables(cascade, rank)}
    for einsum in cascade.computed:
        if einsum.loop is None or over.isdisjoint(sequence(cascade, name.upper()) for name in einsum.reduced):
            continue
        several = len(einsum.loop_variables) > 1
        loops = f"loop{'s'[:several]} over {' and '.join(einsum.loop_variables)}"
        if einsum.name in waiting:
            told = f"it folds {rank} inside the {loops}: factors are deferred there, and tiles"
            yield einsum.name, f"{told} are joined in each step; no loop is made in it"
        else:
            yield einsum.name, f"each step of the {loops} folds {rank} for it anew"
