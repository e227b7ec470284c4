"""A derivation as text that a person can follow: barrier, condition, correction, safety, and the check of values."""

from __future__ import annotations

import sympy

from fusemax.analysis.rewrite.form import Form
from fusemax.analysis.rewrite.safety import safety_lines


def explained(original: Form, form: Form, rank: str) -> str:
    """Return the derivation of *form* from *original*, one numbered sentence to a line, and the cascade that results."""
    rows = [f"{form.title}: {original.passes} -> {form.passes} passes over {rank}"]
    lines = (*form.derivation, *(f"safety: {line}" for line in safety_lines(original.cascade, form.cascade)))
    rows += [f"  {number}. {line}" for number, line in enumerate(dict.fromkeys(lines), 1)]
    rows += [f"  {line}" for line in evidence(form)]
    rows += ["", *(f"    {line}" for line in str(form.cascade).split("\n"))]
    return "\n".join(rows)


def evidence(form: Form) -> tuple[str, ...]:
    """Return what was checked: values against the original, safety, what must be kept, the operations."""
    kept = _words(form, form.crossing) or "nothing"
    if form.partial:
        kept += f"; per tile: {_words(form, form.partial)}"
    rows = [
        f"along the whole rank it keeps or loads again: {kept}",
        f"live words, all tensors together: {sympy.sstr(form.live)}",
        f"operations: {counted(form)}",
    ]
    if form.verdict is not None:
        trials = len(form.verdict.trials)
        rows.insert(
            0,
            f"values: equal to the original within {form.verdict.worst:.1e}; {trials} trials; {form.safety}",
        )
        if form.verdict.where:
            rows.insert(0, f"holds where {form.verdict.where}: with a short last part the values differ")
    return tuple(rows)


def _words(form: Form, tensors: tuple[str, ...]) -> str:
    """Return *tensors* with their footprints: ``QK (M*P), SN (M*P)``."""
    words = {kept.tensor: kept.words for kept in form.kept}
    return ", ".join(f"{name} ({sympy.sstr(words[name])})" for name in tensors)


def counted(form: Form) -> str:
    """Return the operations by kind, the largest first: ``mac: E*M*P + F*M*P, sub_exp: M*P``."""
    order = sorted(form.operations.items(), key=lambda item: -len(str(item[1])))
    return ", ".join(f"{name}: {sympy.sstr(count)}" for name, count in order)
