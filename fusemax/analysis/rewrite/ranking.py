"""Which of the forms found are better, and which are worth showing."""

from __future__ import annotations

from fusemax.analysis.rewrite.form import Form
from fusemax.analysis.rewrite.same import same_up_to_names


def order_of(found: Form) -> tuple[float, ...]:
    """Return what puts the better of forms first: passes, safe, right everywhere, sweeps, what is kept, work."""
    kept = len(found.crossing), len(found.partial)
    holds = found.verdict is None or not found.verdict.where
    return found.passes, not found.safe, not holds, found.sweeps, *kept, found.work


def worth_showing(forms: list[Form]) -> tuple[Form, ...]:
    """Return *forms* without the unsafe ones that another, made by the same kinds of moves, equals or beats."""
    kept: list[Form] = []
    for form in forms:
        others = [] if form.safe else [o for o in forms if set(o.moves) <= set(form.moves)]
        rivals = [other for other in others if other.safe or other in kept]
        if not any(
            o.passes <= form.passes and o.sweeps <= form.sweeps and o.work <= form.work for o in rivals
        ):
            kept.append(form)
    return tuple(kept)


def is_better(form: Form, start: Form) -> bool:
    """Return whether *form* has fewer passes or sweeps than the original, or less work at as many.

    Passes of 0 say that nothing is known of a form: no reason to prefer it.
    """
    if form.passes == 0 < start.passes:
        return False
    if (form.passes, form.sweeps) < (start.passes, start.sweeps) and form.passes <= start.passes:
        return True
    return form.passes <= start.passes and form.work < start.work


def alike(form: Form, other: Form) -> bool:
    """Return whether two forms are one cascade under other names."""
    return form.operations == other.operations and same_up_to_names(form.cascade, other.cascade)
