"""Studies whose parts are grids: plan, run in the open (points a second, time left), and say what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    from fusemax.plot.spec import FigureSpec
    from fusemax.source import Document
    from fusemax.study.chunks import Counts
    from fusemax.study.spec import StudyFile
    from fusemax.study.stream import Progress

SHOWN = 20  #: rows on the screen
DRAWN = 20_000  #: rows at most in a figure


def run_grid(study: StudyFile, document: Document, path: Path, out: Path, options: Mapping[str, Any]) -> None:
    """Run the *study* read from the *document* at *path* into *out*; *options* are those given on the command line."""
    from fusemax.study.jobs import planned
    from fusemax.study.pictures import specs_of
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
    specs = specs_of(study)
    plan = planned(study.parts, keep, document)
    start_s = time.perf_counter()
    with _Bar(console) as report:
        target, counts = run_jobs(plan, out, how, report)
    took_s = time.perf_counter() - start_s
    write_provenance(out, path.stem, plan.hashes())
    _show(console, target, study.title, options)
    _draw(console, target, out, specs)
    console.print(_counted(counts))
    console.print(
        f"{counts.points:,} points in {took_s:.2f} s; table in [bold]{escape(str(target))}[/]",
        highlight=False,
    )


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


def _show(console: Console, target: Path, title: str, options: Mapping[str, Any]) -> None:
    """Show the first rows, in as many of the columns that vary as the screen has room for."""
    import polars

    lazy = polars.scan_parquet(target, glob=False)
    frame = lazy.head(SHOWN).collect()
    many = lazy.select(polars.all().n_unique()).collect().row(0)
    varying = [name for name, count in zip(frame.columns, many, strict=True) if count > 1]
    cells = {name: [_cell(value) for value in frame[name]] for name in varying}
    widths = {name: max(map(len, (name, *texts))) + 3 for name, texts in cells.items()}
    shown = _fitting(widths, _asked(options, varying), console.width - 2)
    table = Table(title=escape(title), title_justify="left", title_style="bold", box=SIMPLE, pad_edge=False)
    for column in shown:
        justify = "left" if frame[column].dtype == polars.String else "right"
        table.add_column(escape(column), justify=justify, no_wrap=True)
    for row in zip(*(cells[name] for name in shown), strict=True):
        table.add_row(*map(escape, row))
    console.print(table)
    rows = lazy.select(polars.len()).collect().item()
    if rows > frame.height or len(shown) < len(varying):
        console.print(
            f"the first {frame.height} of {rows:,} rows, {len(shown)} of {len(frame.columns)} columns"
        )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _fitting(widths: Mapping[str, int], first: Collection[str], room: int) -> list[str]:
    """Return the columns of *widths* that fit into *room*, in their order; those in *first* before all others."""
    fitting: set[str] = set()
    for name in sorted(widths, key=lambda name: name not in first):
        if widths[name] <= room:
            fitting.add(name)
            room -= widths[name]
    return [name for name in widths if name in fitting]


def _asked(options: Mapping[str, Any], columns: Iterable[str]) -> set[str]:
    """Return the columns of the measures that the command line names (``latency`` is latency_s), or the time."""
    words = ",".join(str(options.get(key) or "") for key in ("pareto", "by")).replace("-", "").split(",")
    words = [word for word in words if word]
    return {name for name in columns if name in words or name.rpartition("_")[0] in words} or {"latency_s"}


def _draw(console: Console, target: Path, out: Path, specs: tuple[FigureSpec, ...]) -> None:
    """Draw the figures of a grid from its rows that fit; a table too large for a figure is said."""
    import polars

    from fusemax.plot.sweep import draw_tables
    from fusemax.plot.tables import Tables

    if not specs:
        return
    fitting = polars.scan_parquet(target, glob=False).filter(polars.col("fits"))
    rows = fitting.select(polars.len()).collect().item()
    if rows > DRAWN:
        hint = "keep fewer with --pareto, --top or 'where'"
        console.print(f"no figures: {rows:,} rows fit, a figure takes {DRAWN:,}; {hint}", highlight=False)
        return
    tables = Tables(folder=out, results=fitting.collect())
    files = [file for spec in specs for file in draw_tables(tables, out, spec).paths]
    console.print(f"figures: {', '.join(file.name for file in files)}", highlight=False, markup=False)


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
