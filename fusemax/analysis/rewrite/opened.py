"""The body of a loop that is there, seen at one generation, so that factors can be deferred in it.

At a fixed t, an Einsum that writes ``A[t,n]`` inside ``loop t`` is one like any other, and what the loop carries on
(``S[t,n]``, ``S[t+1,n]``) is data. So an identity of algebra that holds outside a loop holds inside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fusemax.analysis.rewrite.normal import View, view
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
        yield replace(seen, reductions=tuple(n for n in seen.reductions if n in folds), homes=inside)


def _is_of_one_generation(cascade: Cascade, einsum: Einsum) -> bool:
    """Return whether *einsum* alone writes its tensors, at the generation of the loops around it and not at the next."""
    at_own = {Name(variable) for variable in einsum.loop_variables}
    return all(
        at_own <= set(output.indices) and len(cascade.producers(output.tensor)) == 1
        for output in einsum.outputs
    )
