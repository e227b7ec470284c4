"""The study of kind ``audit``: a published study run again with what its model leaves out, correction by correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError, raise_if_any
from fusemax.files import replace_file
from fusemax.progress import watched
from fusemax.source import Document
from fusemax.study.audit_search import searched_rows
from fusemax.study.audit_spec import AuditFile, Step, load_audit, steps_of
from fusemax.study.audit_text import report_text, screen
from fusemax.study.designs import Designs
from fusemax.study.plan import jobs_of
from fusemax.study.points import points_of
from fusemax.study.results import digest, write_provenance, write_tables
from fusemax.study.rows import Row, rows_of
from fusemax.study.spec import StudyFile, StudyPart

if TYPE_CHECKING:
    import polars

KEPT = ("latency_s", "traffic_B", "utilization_2d", "utilization_1d", "mapping")


def run(study_path: Path, out: Path) -> Path:
    """Return the folder *out* after the tables ``results`` and ``ratios``, the figure and the report ``audit.md`` are in it.

    Raises
    ------
    ProblemsError, FusemaxError
        With the mistakes of the study's file; a base study that has no published table.
    """
    from rich.console import Console

    from fusemax.plot.audit import draw

    audit, study, document, base_path = load_audit(study_path)
    part = next(p for p in study.parts if p.name == audit.part)
    files: dict[str, Path] = {study_path.name: study_path, base_path.name: base_path}
    records = _published(audit, study, part, base_path.parent)
    for step in watched(steps_of(audit), lambda step: step.name, "steps"):
        records += _step_records(audit, study, document, step, files)
    results = _frame(records)
    ratios = ratios_frame(audit, results)
    written = write_tables(out, {"results": results, "ratios": ratios})
    hashes = {name: digest(path) for name, path in sorted(files.items())}
    written.append(write_provenance(out, study_path.name, hashes))
    written += draw(out, audit.against[0], list(audit.lengths))
    written.append(replace_file(out / "audit.md", report_text(audit, ratios)))
    console = Console(highlight=False)
    console.print(screen(audit, ratios))
    console.print(f"in {out}: {', '.join(dict.fromkeys(path.name for path in written))}", markup=False)
    console.print(f"read first: {out / 'audit.md'}", markup=False)
    return out


def _step_records(
    audit: AuditFile, study: StudyFile, document: Document, step: Step, files: dict[str, Path]
) -> list[dict[str, Any]]:
    """Return the records of one step: every configuration at every point."""
    part = next(p for p in study.parts if p.name == audit.part)
    machines = {c.machine: step.machine_changes(c.machine) for c in part.configurations.values()}
    designs = Designs(folder=Path(document.file).parent, machine_changes=machines)
    searched = [name for name in part.configurations if step.searched(name)]
    configurations = {
        name: step.corrected(configuration)
        for name, configuration in part.configurations.items()
        if name not in searched
    }
    parts = [part.model_copy(update={"configurations": configurations})]
    jobs, problems = jobs_of(study.model_copy(update={"parts": parts}), document, designs)
    raise_if_any(problems)
    rows = rows_of(jobs)
    points = points_of(part)
    for name in searched:
        rows += searched_rows(designs, step, part.name, name, part.configurations[name], points)
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
