"""Studies whose parts are grids: plan, run in the open (points a second, time left), and say what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    from fusemax.source import Document
    from fusemax.study.chunks import Counts
    from fusemax.study.spec import StudyFile
    from fusemax.study.stream import Progress

SHOWN, COLUMNS = 20, 10


def run_grid(study: StudyFile, document: Document, path: Path, out: Path, options: Mapping[str, Any]) -> None:
    """Run the *study* read from the *document* at *path* into *out*; *options* are those given on the command line."""
    from fusemax.study.jobs import planned
    from fusemax.study.results import write_provenance
    from fusemax.study.stream import Options, keep_of, run_jobs

    _refuse_parts_without_grid(study, path, options)
    keep = keep_of(options.get("pareto"), options.get("top"), options.get("by"))
    how = Options(
        workers=options.get("workers"),
        cluster=options.get("cluster"),
        chunk_points=options.get("chunk"),
        resume=options.get("resume", False),
        fresh=options.get("fresh", False),
    )
    console = Console()
    plan = planned(study.parts, keep, document)
    start_s = time.perf_counter()
    with _Bar(console) as report:
        target, counts = run_jobs(plan, out, how, report)
    took_s = time.perf_counter() - start_s
    write_provenance(out, path.stem, plan.hashes())
    _show(console, target, study.title)
    console.print(_counted(counts))
    console.print(f"{counts.points:,} points in {took_s:.2f} s; table in [bold]{target}[/]", highlight=False)


def _refuse_parts_without_grid(study: StudyFile, path: Path, options: Mapping[str, Any]) -> None:
    plain = [part.name for part in study.parts if not part.grid]
    if len(plain) == len(study.parts):
        listed = ", ".join(f"--{name}" for name in options)
        raise FusemaxError(f"{path}: no part has a grid, so {listed} cannot apply")
    if plain:
        hint = "put parts without a grid into a study of their own"
        raise FusemaxError(f"{path}: part {plain[0]!r} has no grid, others have\n  hint: {hint}")


def _counted(counts: Counts) -> str:
    said = [f"{counts.points - counts.left_out:,} points"]
    if counts.left_out:
        said.append(f"{counts.left_out:,} left out by 'where'")
    if counts.no_room:
        said.append(f"{counts.no_room:,} do not fit")
    if counts.no_value:
        said.append(f"{counts.no_value:,} without a finite measure")
    return "; ".join(said)


def _show(console: Console, target: Path, title: str) -> None:
    import polars

    frame = polars.scan_parquet(target).head(SHOWN).collect()
    varying = [column for column in frame.columns if frame[column].n_unique() > 1][:COLUMNS]
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE)
    for column in varying:
        table.add_column(column, justify="left" if frame[column].dtype == polars.String else "right")
    for row in frame.select(varying).iter_rows():
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else "" if v is None else str(v) for v in row))
    console.print(table)
    rows = polars.scan_parquet(target).select(polars.len()).collect().item()
    if rows > frame.height:
        console.print(f"the first {frame.height} of {rows:,} rows")


class _Bar:
    """A bar with points a second and the time left on a terminal; nothing in a pipe."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.percentage:3.0f}%"),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("points", total=None, rate="")
        self._start_s = time.perf_counter()

    def __enter__(self) -> Callable[[Progress], None]:
        self._progress.__enter__()
        return self._report

    def _report(self, progress: Progress) -> None:
        passed_s = max(time.perf_counter() - self._start_s, 1e-9)
        rate = (progress.points_done - progress.points_resumed) / passed_s
        text = f"{progress.points_done:,} of {progress.points:,} points, {rate / 1e6:.2f} M/s"
        self._progress.update(self._task, total=progress.points, completed=progress.points_done, rate=text)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()
