"""The study of kind ``audit``: a published study run again with what its model leaves out, correction by correction.

The engine runs the corrected study; what stands here is what is told of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.plot.spec import FigureSpec
from fusemax.study.columns import described
from fusemax.study.execute.stream import in_memory
from fusemax.study.kind import Kind, Outcome, Progress, about
from fusemax.study.kinds.audit_file import AuditFile
from fusemax.study.kinds.audit_plan import MEASURES, AuditPlan, plan
from fusemax.study.kinds.audit_text import remains, report_text, screen
from fusemax.study.plan.corrections import steps_of
from fusemax.study.tables.results import records_of, results_frame
from fusemax.table.column import measure, text
from fusemax.table.table import table_of

if TYPE_CHECKING:
    import polars


def tables(plan: AuditPlan, out: Path, progress: Progress) -> Outcome:
    """Return the tables ``results`` and ``ratios`` of *plan*, and the report in words."""
    del out
    audit, study = plan.audit, plan.study
    rows = in_memory(plan.planned, report=lambda at: progress(at.points_done, at.points, "points"))
    ours = results_frame(plan.planned, study, rows, records_of(plan.planned, study, rows))
    labels = [name for name in study.label_columns(audit.part) if name in ours.columns]
    results = _results(plan, ours, labels)
    ratios = ratios_frame(audit, results, [*labels, "seq_len"])
    known = (*described(results.columns, labels, study.listed_sizes(audit.part), study.length), *COLUMNS)
    return Outcome(
        tables={"results": table_of(results, known), "ratios": table_of(ratios, known)},
        short=(screen(audit, ratios),),
        said=(remains(audit, ratios),),
        texts={"audit.md": report_text(audit, ratios)},
        parquet=("results",),
    )


def _results(plan: AuditPlan, ours: polars.DataFrame, labels: Sequence[str]) -> polars.DataFrame:
    """Return published rows, then those of all steps; where registers are not charged, energies are without them."""
    import polars as pl

    steps = {(step.path, step.name): step for step in steps_of(plan.audit)}
    without = [list(key) for key, step in steps.items() if not step.registers]
    last = [[path, step.name, n] for (path, _), step in steps.items() for n in plan.study.parts[0].configurations
            if step.searched(n) is not None]  # fmt: skip
    order = {key: number for number, key in enumerate(steps)}
    is_without = pl.struct("path", "step").map_elements(
        lambda row: [row["path"], row["step"]] in without, return_dtype=pl.Boolean
    )
    rank = pl.struct("path", "step", "configuration").map_elements(
        lambda row: 2 * order[row["path"], row["step"]] + (list(row.values()) in last), return_dtype=pl.Int64
    )
    energy = pl.col("energy_J") - pl.when(is_without).then(pl.col("energy_registers_J")).otherwise(0.0)
    busy = [name for name in ours.columns if name.startswith("utilization_")]
    keys = ["path", "step", "title", "configuration", *labels, "seq_len"]
    table = ours.with_columns(energy).sort(rank, maintain_order=True)
    table = table.select(*keys, "latency_s", "energy_J", "traffic_B", *busy, "mapping", "fits", "reason")
    return pl.concat([_published(plan, keys), table], how="diagonal_relaxed").select(table.columns)


def _published(plan: AuditPlan, keys: Sequence[str]) -> polars.DataFrame:
    """Return the published values of the part, a row for each point."""
    import polars as pl

    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    said = {"path": "published", "step": "published", "title": "as published", "fits": True, "reason": ""}
    for each in plan.published:
        if each.identity.get("part") == plan.audit.part and each.quantity in MEASURES:
            key = {name: each.identity.get(name) for name in keys if name not in said}
            row = rows.setdefault(tuple(key.values()), {**said, **key})
            row[each.quantity] = each.entry["value"]
    measures = dict.fromkeys(MEASURES, pl.Float64)
    found = pl.DataFrame(list(rows.values()), infer_schema_length=None)
    return found.with_columns(
        pl.lit(None, dtype=t).alias(n) for n, t in measures.items() if n not in found.columns
    )


COLUMNS = (
    text("path", "published, start, each alone, together, or at the end"), text("step"), text("title"),
    text("against", "the configuration of the ratio"), measure("speed_up", "its time over ours", unit="1"),
    measure("energy_ratio", "our energy over its", unit="1"), measure("published_speed_up", unit="1"),
    measure("published_energy_ratio", unit="1"),
)  # fmt: skip


def ratios_frame(audit: AuditFile, results: polars.DataFrame, points: Sequence[str]) -> polars.DataFrame:
    """Return speed-up and relative energy of the audited configuration over each other one, by step and *points*.

    Columns: path, step, title, against, the points', speed_up, energy_ratio, and the published ones beside them.
    """
    import polars as pl

    keys = ["path", "step", "title", *points]
    ours = results.filter(pl.col("configuration") == audit.ours).select(*keys, "latency_s", "energy_J")
    frames = []
    for name in audit.against:
        other = results.filter(pl.col("configuration") == name)
        other = other.select(*keys, pl.col("latency_s").alias("other_s"), pl.col("energy_J").alias("other_J"))
        both = ours.join(other, on=keys, how="left", maintain_order="left")
        frames.append(
            both.select(
                *keys[:3],
                pl.lit(name).alias("against"),
                *keys[3:],
                (pl.col("other_s") / pl.col("latency_s")).alias("speed_up"),
                (pl.col("energy_J") / pl.col("other_J")).alias("energy_ratio"),
            )
        )
    ratios = pl.concat(frames)
    published = ratios.filter(pl.col("path") == "published").select(
        "against", *points,
        pl.col("speed_up").alias("published_speed_up"), pl.col("energy_ratio").alias("published_energy_ratio"),
    )  # fmt: skip
    return ratios.join(published, on=["against", *points], how="left", maintain_order="left")


def specs(plan: AuditPlan) -> tuple[FigureSpec, ...]:
    """Return the figures: every step at a few lengths, for speed-up and energy."""
    against = plan.audit.against[0]
    shown = {"speed_up": f"speed-up over {against}", "energy_ratio": f"energy relative to {against}"}
    caption = (
        "Marks are means over the models; lines reach from the least to the largest model. start: our counts of what was"
        " published; alone: this correction alone; together: with all those above it; end: with all of these."
    )
    return tuple(
        FigureSpec(
            file=f"audit-{column.replace('_', '-')}", kind="rows", x="title", y=column, series="path", panels=("seq_len",),
            table="ratios", where={"against": against, "seq_len": tuple(plan.audit.lengths)}, ylabel=label,
            title=f"{plan.audit.ours}, correction by correction: {label}", caption=caption,
        )
        for column, label in shown.items()
    )  # fmt: skip


KIND = Kind(plan=plan, tables=tables, specs=specs, about=lambda plan: about(plan.audit))
