"""Which Einsums fold a rank, in one step of a loop too."""

from __future__ import annotations

from fusemax.analysis.rewrite.normal import View
from fusemax.language.syntax import Name


def folds_of(seen: View) -> frozenset[str]:
    """Return the reductions over the rank, those of one step of a loop included."""
    inside = (
        e.name
        for e in seen.cascade.computed
        if e.loop is not None
        and seen.variables[0] in e.reduced
        and all(isinstance(i, Name) for i in e.output.indices)
    )
    return frozenset((*seen.reductions, *inside))
