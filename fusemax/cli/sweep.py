"""Studies of ``kind: sweep``: run, write, draw, report, and say what came out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import polars

    from fusemax.study.spec import StudyFile


def run(path: Path, out: Path) -> None:
    """Run the study in the file *path* and leave everything in the folder *out*."""
    from fusemax.study.results import (
        breakdown_frame,
        comparison_frame,
        results_frame,
        write_provenance,
        write_tables,
    )
    from fusemax.study.spec import load_study
    from fusemax.study.sweep import run_sweep

    console = Console()
    study, document, path = load_study(str(path))
    with _bar(console) as report:
        rows = run_sweep(study, report)
    frames = {"results": results_frame(study, path.stem, rows), "breakdown": breakdown_frame(study, rows)}
    if study.compare is not None:
        frames["comparison"] = comparison_frame(study, rows, path.parent)
    written = write_tables(out, frames)
    written.append(write_provenance(out, path, [path]))
    del document
    _summary(console, study, frames["results"])
    if "comparison" in frames:
        _comparison(console, frames["comparison"])
    written += _pictures(console, study, out)
    console.print(
        f"\n{len(written)} files in [bold]{out}[/]: {', '.join(sorted({p.name for p in written})[:4])}, ..."
    )
    if (out / "report.html").exists():
        console.print(f"read [bold]{out / 'report.html'}[/] first")


class _bar:  # noqa: N801 - a context manager
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
            self.task, completed=done, total=total, description=text
        )

    def __exit__(self, *error: object) -> None:
        self.progress.stop()


def _summary(console: Console, study: StudyFile, results: polars.DataFrame) -> None:
    from fusemax.study.summary import summarize

    for part, frame in summarize(study, results).items():
        table = Table(title=part, title_justify="left", title_style="bold")
        for column in frame.columns:
            table.add_column(
                column.replace("_", " "), justify="left" if frame[column].dtype == str else "right"
            )
        for record in frame.iter_rows():
            table.add_row(*("" if v is None else v if isinstance(v, str) else f"{v:.3g}" for v in record))
        console.print(table)


def _comparison(console: Console, comparison: polars.DataFrame) -> None:
    import polars as pl

    differs = comparison.filter(pl.col("reason") != "")
    equal = comparison.height - differs.height
    console.print(
        f"published values: {comparison.height}; equal within tolerance: {equal}; explained: ", end=""
    )
    unexplained = differs.filter(pl.col("reason") == "not explained").height
    console.print(f"{differs.height - unexplained}; not explained: {unexplained}")


def _pictures(console: Console, study: StudyFile, out: Path) -> list[Path]:
    if study.figures is None:
        return []
    from fusemax.plot import draw_study
    from fusemax.report import write

    written = draw_study(study.figures, out)
    return [*written, write(out, study.title)]
