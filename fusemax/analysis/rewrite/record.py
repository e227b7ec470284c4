"""What a search found as plain data, for programs."""

from __future__ import annotations

from typing import Any

from fusemax.analysis.rewrite.form import Form
from fusemax.analysis.rewrite.search import Reduced


def as_record(found: Reduced) -> dict[str, Any]:
    """Return *found* as nested tables of text and numbers: the original, the forms best first, and the refusals.

    Footprints are words, as formulas in the sizes of ranks; operations are counts, likewise.
    """
    return {
        "cascade": found.original.cascade.name,
        "rank": found.rank,
        "complete": found.complete,
        "no_claims": list(found.no_claims),
        "floor": [str(floor) for floor in found.floor],
        "refused": {name: list(reasons) for name, reasons in found.refused.items()},
        "original": _form(found.original, found.original),
        "forms": [_form(form, found.original) for form in found.forms],
    }


def _form(form: Form, original: Form) -> dict[str, Any]:
    from fusemax.cascade.write import cascade_to_yaml

    return {
        "title": form.title,
        "passes": form.passes,
        "sweeps": form.sweeps,
        "work": form.work / original.work if original.work else 1.0,
        "operations": {name: str(count) for name, count in form.operations.items()},
        "keeps": {kept.tensor: str(kept.words) for kept in form.kept},
        "live_words": str(form.live),
        "footprint": [
            {"tensor": one.tensor, "kind": one.kind, "words": str(one.words)} for one in form.footprint
        ],
        "safe": form.safe,
        "safety": form.safety,
        "error": form.verdict.worst if form.verdict else 0.0,
        "holds_where": form.verdict.where if form.verdict else "",
        "derivation": list(form.derivation),
        "cascade": cascade_to_yaml(form.cascade),
    }
