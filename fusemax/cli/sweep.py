"""Studies of ``kind: sweep``: run, write, draw, report, and say what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    import polars

    from fusemax.plot.spec import FigureSpec, Picture
    from fusemax.source import Document
    from fusemax.study.spec import StudyFile


def run(path: Path, out: Path, **options: Any) -> None:
    """Run the study in the file *path* and leave everything in the folder *out*; *options* are for grids."""
    from fusemax.study.load import load_study

    study, document, path = load_study(str(path))
    if options or any(part.grid for part in study.parts):
        from fusemax.cli.stream import run_grid

        run_grid(study, document, path, out, options)
        return
    _run_points(study, document, path, out)


def _run_points(study: StudyFile, document: Document, path: Path, out: Path) -> None:
    from fusemax.study.pictures import specs_of
    from fusemax.study.planned import planned_points
    from fusemax.study.results import (
        breakdown_frame,
        comparison_frame,
        digest,
        results_frame,
        write_provenance,
        write_tables,
    )
    from fusemax.study.rows import rows_of
    from fusemax.study.sums import with_sums

    console = Console()
    specs = specs_of(study)
    with _Bar(console) as report:
        jobs, files = planned_points(study, document)
        rows = with_sums(study, rows_of(jobs, report))
        frames = {"results": results_frame(study, path.stem, rows), "breakdown": breakdown_frame(study, rows)}
        read = {path.name: path, **files}
        if study.compare is not None:
            frames["comparison"] = comparison_frame(study, rows, path.parent)
            read[study.compare.published] = path.parent / study.compare.published
        written = write_tables(out, frames)
        hashes = {name: digest(file) for name, file in sorted(read.items())}
        written.append(write_provenance(out, path.stem, hashes))
        written += _pictures(console, study, specs, path.stem, hashes, out, report)
    _summary(console, study, frames["results"])
    if "comparison" in frames:
        _comparison(console, frames["comparison"])
    tables = [file.name for file in written if file.suffix in (".csv", ".parquet")]
    said = f"\nin {out}: {', '.join(tables)}; {len(specs)} figures (SVG, PNG)"
    console.print(said, highlight=False, markup=False)
    if (out / "report.html").exists():
        console.print(f"read first: {out / 'report.html'}", highlight=False, markup=False)


class _Bar:
    """A progress bar on a terminal; nothing in a pipe."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:32}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.progress.add_task("starting", total=None)

    def __enter__(self) -> Callable[[int, int, str], None]:
        self.progress.__enter__()
        return lambda done, total, text: self.progress.update(
            self.task, completed=done, total=total, description=escape(text)
        )

    def __exit__(self, *error: object) -> None:
        self.progress.stop()


def _pictures(
    console: Console,
    study: StudyFile,
    specs: tuple[FigureSpec, ...],
    name: str,
    hashes: Mapping[str, str],
    out: Path,
    report: Any,
) -> list[Path]:
    """Draw the figures, write the report, and return the files."""
    from fusemax.plot.points import EmptyFigureError
    from fusemax.plot.sweep import draw_tables
    from fusemax.plot.tables import read_tables
    from fusemax.report import Study, write

    tables = read_tables(out)
    pictures: list[Picture] = []
    for number, spec in enumerate(specs):
        report(number, len(specs) + 1, f"drawing {spec.file}"[:32])
        try:
            pictures.append(draw_tables(tables, out, spec))
        except EmptyFigureError as error:
            console.print(f"no figure {spec.file}: {error}", highlight=False, markup=False)
    report(len(specs), len(specs) + 1, "writing the report")
    page = Study(
        title=study.title,
        command=f"fusemax run {name}",
        summary=study.doc,
        source=study.source,
        baselines=tuple(study.summary.baselines),
        parts=tuple(study.summary.parts),
        configurations={n: c.doc for part in study.parts for n, c in part.configurations.items() if c.doc},
        inputs=hashes,
        labels=_labels(study),
        sums={part.name: tuple(part.total_of) for part in study.parts if part.total_of},
        pictures=tuple(pictures),
    )
    files = [path for picture in pictures for path in picture.paths]
    return [*files, write(out, page)]


def _labels(study: StudyFile) -> tuple[str, ...]:
    """Return the columns that tell points of equal length apart: of the tables first, then of listed sizes."""
    tables = [name for part in study.parts for name in study.label_columns(part.name)]
    sizes = [name for part in study.parts for name in study.listed_sizes(part.name)]
    return tuple(dict.fromkeys([*tables, *sizes]))


def _summary(console: Console, study: StudyFile, results: polars.DataFrame) -> None:
    from fusemax.study.summary import summarize

    for part, frame in summarize(study, results).items():
        table = Table(
            title=escape(f"{part}: means over the points"), title_justify="left", box=SIMPLE, pad_edge=False
        )
        for column in frame.columns:
            name = column.replace("speed_up_over_", "speed-up\n").replace("energy_over_", "energy\n")
            numeric = frame[column].dtype.is_numeric()
            table.add_column(
                escape(name.replace("utilization_", "util.\n")),
                justify="right" if numeric else "left",
                no_wrap=True,
            )
        seen = ""
        for record in frame.iter_rows():
            cells = [_cell(column, value) for column, value in zip(frame.columns, record, strict=True)]
            if cells[0] == seen:
                cells[0] = ""
            elif seen:
                table.add_section()
            seen = cells[0] or seen
            table.add_row(*map(escape, cells))
        console.print(table)


def _cell(column: str, value: object) -> str:
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:.0%}" if column.startswith("utilization_") else f"{value:.3g}"


def _comparison(console: Console, comparison: polars.DataFrame) -> None:
    import polars as pl

    differs = comparison.filter(pl.col("reason") != "")
    equal = comparison.height - differs.height
    unexplained = differs.filter(pl.col("reason") == "not explained").height
    text = f"published values: {comparison.height}; equal: {equal}; differ for a reason given in comparison.csv: "
    console.print(f"{text}{differs.height - unexplained}; differ without one: {unexplained}", highlight=False)
