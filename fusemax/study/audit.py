"""The study of kind ``audit``: a published study run again with what its model leaves out, correction by correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError, raise_if_any
from fusemax.plot.spec import Picture
from fusemax.source import Document
from fusemax.study.audit_spec import AuditFile, Step, audit_of, steps_of
from fusemax.study.audit_text import remains, report_text, screen
from fusemax.study.describe import described
from fusemax.study.designs import Designs
from fusemax.study.kind import About, Kind, Outcome, Progress
from fusemax.study.plan import jobs_of
from fusemax.study.rows import Row, rows_of
from fusemax.study.spec import StudyFile, StudyPart
from fusemax.table.column import measure, text
from fusemax.table.table import Tables, table_of

if TYPE_CHECKING:
    import polars

KEPT = ("latency_s", "traffic_B", "utilization_2d", "utilization_1d", "mapping")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPlan:
    """An audit, the study that it corrects, and the files of both."""

    audit: AuditFile
    study: StudyFile
    base: Document
    files: dict[str, Path]

    @property
    def part(self) -> StudyPart:
        """The part of the study that is corrected."""
        return next(part for part in self.study.parts if part.name == self.audit.part)


def plan(document: Document, options: Mapping[str, Any]) -> AuditPlan:
    """Return what the audit in *document* runs; raise ProblemsError with every mistake."""
    del options
    audit, study, base = audit_of(document)
    path, base_path = Path(document.file), Path(base.file)
    files = {path.name: path, base_path.name: base_path}
    assert study.compare is not None
    files[study.compare.published] = base_path.parent / study.compare.published
    return AuditPlan(audit=audit, study=study, base=base, files=files)


def tables(plan: AuditPlan, out: Path, progress: Progress) -> Outcome:
    """Return the tables ``results`` and ``ratios`` of *plan*, and the report in words."""
    del out
    audit = plan.audit
    records = _published(audit, plan.study, plan.part, Path(plan.base.file).parent)
    steps = steps_of(audit)
    for number, step in enumerate(steps):
        progress(number, len(steps), step.name)
        records += _step_records(audit, plan.study, plan.base, step, plan.files)
    results = _frame(records)
    ratios = ratios_frame(audit, results)
    labels, sizes = plan.study.label_columns(audit.part), plan.study.listed_sizes(audit.part)
    known = (*described(results.columns, labels, sizes, plan.study.length), *COLUMNS)
    return Outcome(
        tables={"results": table_of(results, known), "ratios": table_of(ratios, known)},
        short=(screen(audit, ratios),),
        said=(remains(audit, ratios),),
        texts={"audit.md": report_text(audit, ratios)},
        parquet=("results",),
    )


COLUMNS = (
    text("path", "published, start, each alone, together, or at the end"), text("step"), text("title"),
    text("against", "the configuration of the ratio"), measure("speed_up", "its time over ours", unit="1"),
    measure("energy_ratio", "our energy over its", unit="1"), measure("published_speed_up", unit="1"),
    measure("published_energy_ratio", unit="1"),
)  # fmt: skip


def _step_records(
    audit: AuditFile, study: StudyFile, document: Document, step: Step, files: dict[str, Path]
) -> list[dict[str, Any]]:
    """Return the records of one step: every configuration at every point."""
    part = next(p for p in study.parts if p.name == audit.part)
    machines = {c.machine: step.machine_changes(c.machine) for c in part.configurations.values()}
    designs = Designs(folder=Path(document.file).parent, machine_changes=machines)
    configurations = {
        name: step.corrected(name, configuration) for name, configuration in part.configurations.items()
    }
    parts = [part.model_copy(update={"configurations": configurations})]
    jobs, problems = jobs_of(study.model_copy(update={"parts": parts}), document, designs)
    raise_if_any(problems)
    rows = sorted(rows_of(jobs), key=lambda row: step.searched(row.configuration) is not None)
    files |= designs.files
    return [_record(study, step, row) for row in rows]


def _record(study: StudyFile, step: Step, row: Row) -> dict[str, Any]:
    if not row.fits:
        raise FusemaxError(f"step {step.name}: {row.configuration} does not fit: {row.values['reason']}")
    registers = 0.0 if step.registers else row.values["energy_registers_J"]
    return {
        "path": step.path, "step": step.name, "title": step.title, "configuration": row.configuration, **row.labels,
        "seq_len": row.sizes[study.length], **{name: row.values.get(name) for name in KEPT},
        "energy_J": row.values["energy_J"] - registers,
    }  # fmt: skip


def _published(audit: AuditFile, study: StudyFile, part: StudyPart, folder: Path) -> list[dict[str, Any]]:
    """Return the published latencies and energies as records."""
    import polars as pl

    if study.compare is None:
        raise FusemaxError(f"study {audit.base} has no published table to begin with")
    table = pl.read_csv(folder / study.compare.published, infer_schema_length=None, comment_prefix="#")
    table = table.filter(
        (pl.col("part") == part.name) & pl.col("quantity").is_in(["latency_s", "energy_J", "traffic_B"])
    )
    records: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in table.iter_rows(named=True):
        key = (entry["configuration"], entry["model"], entry["seq_len"])
        record = records.setdefault(
            key,
            {
                "path": "published", "step": "published", "title": "as published", "configuration": key[0],
                "model": key[1], "seq_len": key[2],
            },
        )  # fmt: skip
        record[entry["quantity"]] = entry["value"]
    return list(records.values())


def _frame(records: Sequence[Mapping[str, Any]]) -> polars.DataFrame:
    import polars as pl

    columns = dict.fromkeys(column for record in records for column in record)
    rows = [{column: record.get(column) for column in columns} for record in records]
    return pl.DataFrame(rows, infer_schema_length=None)


def ratios_frame(audit: AuditFile, results: polars.DataFrame) -> polars.DataFrame:
    """Return speed-up and relative energy of the audited configuration over each other one, by step, model and length.

    Columns: path, step, title, against, model, seq_len, speed_up, energy_ratio, and the published ones beside them.
    """
    import polars as pl

    keys = ["path", "step", "title", "model", "seq_len"]
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
        "against", "model", "seq_len",
        pl.col("speed_up").alias("published_speed_up"), pl.col("energy_ratio").alias("published_energy_ratio"),
    )  # fmt: skip
    return ratios.join(published, on=["against", "model", "seq_len"], how="left", maintain_order="left")


def figures(plan: AuditPlan, tables: Tables, progress: Progress) -> Sequence[Picture]:
    """Return the picture: every step at a few lengths."""
    from fusemax.plot.audit import draw

    progress(0, 1, "drawing")
    return draw(tables, plan.audit.against[0], list(plan.audit.lengths))


KIND = Kind(
    plan=plan,
    about=lambda plan: About(title=plan.audit.title, source=plan.audit.source, doc=plan.audit.doc),
    files=lambda plan: plan.files,
    tables=tables,
    figures=figures,
)
