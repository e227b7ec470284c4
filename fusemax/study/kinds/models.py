"""The study of kind ``models``: what whole models take on machines and systems, by phase, batch and length."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.model.passed import Passed
from fusemax.model.predict import Predictor
from fusemax.model.shape import Model
from fusemax.quantity import format_quantity
from fusemax.report.study import Short
from fusemax.study.kind import Kind, Outcome, Progress
from fusemax.study.kinds.models_file import BREAKDOWN, RESULTS
from fusemax.study.kinds.models_plan import ModelsPlan, Place, plan
from fusemax.study.pictures import specs_of
from fusemax.table.column import LENGTH
from fusemax.table.table import table_of_rows

Row = dict[str, Any]


def tables(plan: ModelsPlan, out: Path, progress: Progress) -> Outcome:
    """Return ``results`` and ``breakdown``: a row for each model, place and point, and for each kind of its work."""
    del out
    results: list[Row] = []
    breakdown: list[Row] = []
    points = [
        (one.phase, batch, length, one.source or 0)
        for one in plan.study.phases
        for batch in one.B
        for length in one.length
    ]
    total = len(plan.models) * len(plan.places) * len(points)
    for name, model in plan.models.items():
        for place in plan.places:
            for phase, batch, length, source in points:
                progress(len(results), total, f"{name} on {place.name}, {phase} of {length}")
                row = {"model": name, "system": place.name, "phase": phase, "B": batch, LENGTH: length}
                read = 0 if model.encoder is None else source
                found, parts = _point(model, place, phase, batch, length, read)
                results.append({**row, **found})
                breakdown += [{**row, **part} for part in parts]
    return Outcome(
        tables={"results": table_of_rows(results, RESULTS), "breakdown": table_of_rows(breakdown, BREAKDOWN)},
        short=tuple(_short(plan, results, one) for one in dict.fromkeys(phase for phase, *_ in points)),
    )


def _point(
    model: Model, place: Place, phase: str, batch: int, length: int, source: int
) -> tuple[Row, list[Row]]:
    """Return the values of one point, or the reason why there are none; and its times by kind of work.

    Of a model with an encoder *source* tokens were read before one more is made.
    """
    reads = phase == "prefill"
    predictor = Predictor(
        model,
        place.machine,
        place.prices.widths,
        place.system,
        place.parallel,
        engine=place.engine,
        shared=place.prices,
    )
    try:
        if reads and model.encoder is not None:
            memory = predictor.memory(batch, 1, length, length)
        else:
            memory = predictor.memory(batch, length, length if reads else 1, source)
        kept = {
            "fits": memory.fits, "weights_B": memory.weights_B, "cache_B": memory.cache_B, "memory_B": memory.total_B,
        }  # fmt: skip
        if memory.fits is False:
            return {**kept, "reason": f"does not fit: {memory}"}, []
        passed = predictor.prefill(batch, length) if reads else predictor.decode(batch, length, source)
    except FusemaxError as error:
        return {"reason": str(error).splitlines()[0]}, []
    return {**kept, **_measures(passed, batch * (length if reads else 1))}, _works(passed)


def _measures(passed: Passed, tokens: int) -> Row:
    works = passed.by_work()
    return {
        "latency_s": passed.time_s, "tokens_per_s": tokens / passed.time_s, "latency_per_token_s": passed.time_s / tokens,
        "traffic_B": passed.traffic_B, "energy_J": passed.energy_J if isfinite(passed.energy_J) else None,
        "limit": max(works, key=works.__getitem__),
    }  # fmt: skip


def _works(passed: Passed) -> list[Row]:
    return [
        {"work": work, "time_s": time_s, "share": time_s / passed.time_s}
        for work, time_s in passed.by_work().items()
    ]


def _short(plan: ModelsPlan, rows: Sequence[Row], phase: str) -> Short:
    """Return the table for a screen: the time of a pass at the longest sequence, by model and place."""
    mine = [row for row in rows if row["phase"] == phase]
    length = max(row[LENGTH] for row in mine)
    batch = min(row["B"] for row in mine)
    found = {
        (row["model"], row["system"]): row for row in mine if row[LENGTH] == length and row["B"] == batch
    }
    lines = [(name, *(_cell(found[name, place.name]) for place in plan.places)) for name in plan.models]
    title = f"{phase}: time of a pass, {batch} sequence{'s' * (batch != 1)} of {length} tokens"
    return Short(
        title=title, headings=("model", *(place.name for place in plan.places)), rows=tuple(lines), texts=1
    )


def _cell(row: Row) -> str:
    if row.get("latency_s") is not None:
        return format_quantity(row["latency_s"], "s")
    return "too large" if row.get("fits") is False else "-"


KIND = Kind(plan=plan, tables=tables, specs=lambda plan: specs_of(plan.study))
