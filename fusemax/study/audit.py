"""The study of kind ``audit``: a published study run again with what its model leaves out, correction by correction.

The engine runs the corrected study; what stands here is what is told of its steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError, Problem, ProblemsError, raise_if_any
from fusemax.library.load import Library
from fusemax.nearest import meant
from fusemax.plot.spec import FigureSpec
from fusemax.shipped import find
from fusemax.source import Document, read_yaml
from fusemax.study.audit_file import AuditFile
from fusemax.study.audit_text import remains, report_text, screen
from fusemax.study.comparison import Published, read_published
from fusemax.study.corrections import correction_problems, steps_of
from fusemax.study.describe import described
from fusemax.study.designs import Designs
from fusemax.study.jobs import Planned
from fusemax.study.kind import Kind, Outcome, Progress, about
from fusemax.study.load import problems_from, study_of
from fusemax.study.planned import planned
from fusemax.study.results import records_of, results_frame
from fusemax.study.spec import Corrected, StudyFile
from fusemax.study.stream import in_memory
from fusemax.table.column import measure, text
from fusemax.table.table import table_of
from fusemax.typed import typed_so_far

if TYPE_CHECKING:
    import polars

MEASURES = (
    "latency_s",
    "traffic_B",
    "energy_J",
)  #: what a published table may hold that steps are held against


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """An audit, the study that it runs with all steps, the published values, and the files of all."""

    audit: AuditFile
    study: StudyFile
    planned: Planned
    published: tuple[Published, ...]
    files: Mapping[str, Path]


def plan(document: Document, options: Mapping[str, Any]) -> AuditPlan:
    """Return what the audit in *document* runs; raise ProblemsError with every mistake."""
    del options
    audit, document, problems = typed_so_far(document, AuditFile)
    path = Path(document.file)
    try:
        base = read_yaml(find("studies", audit.base, path.parent))
        study = study_of(base)
    except FusemaxError as error:
        raise ProblemsError([*problems, *problems_from(error, document, ("base",))]) from None
    designs = Designs(Library(Path(base.file).parent))
    raise_if_any([*problems, *_problems(audit, study, document, designs)])
    update = {key: getattr(audit, key) for key in Corrected.model_fields}
    position = next(n for n, part in enumerate(study.parts) if part.name == audit.part)
    update |= {"parts": [study.parts[position]], "compare": None, "figures": []}
    corrected = study.model_copy(update=update)
    jobs = planned(corrected, base, designs=designs)
    assert study.compare is not None
    table = Path(base.file).parent / study.compare.published
    files = {path.name: path, Path(base.file).name: Path(base.file), study.compare.published: table}
    return AuditPlan(
        audit=audit,
        study=corrected,
        planned=jobs,
        published=tuple(read_published(table)),
        files={**files, **jobs.files},
    )


def _problems(audit: AuditFile, study: StudyFile, document: Document, designs: Designs) -> list[Problem]:
    """Return every name in *audit* that the *study* does not know, and what is wrong with its corrections."""
    parts = {part.name: part for part in study.parts}
    if audit.part not in parts:
        text = f"study {audit.base} has no part {audit.part!r}"
        return [document.problem(("part",), text, meant(audit.part, parts))]
    part = parts[audit.part]
    problems: list[Problem] = []
    if study.compare is None:
        said = f"study {audit.base} has no published table to begin with"
        problems.append(document.problem(("base",), said))
    named = [(("ours",), audit.ours), *((("against", n), name) for n, name in enumerate(audit.against))]
    for place, name in named:
        if name not in part.configurations:
            said = f"{audit.part} has no configuration {name!r}"
            problems.append(document.problem(place, said, meant(name, part.configurations)))
    if problems:
        return problems
    return list(correction_problems(audit, [part], document, designs))


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
    return pl.DataFrame(list(rows.values()), infer_schema_length=None)


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
