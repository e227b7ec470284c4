"""``fusemax run``: run a study and leave its tables, figures and report in a folder."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from fusemax.report.study import Short
    from fusemax.study.kind import Progress
    from fusemax.study.run import Finished


def run(
    study: str = typer.Argument(help="A study of studies/, such as micro24, or your own file."),
    out: Path = typer.Option(
        None, "-o", "--out", help="Folder of the results; results/<study> if not given."
    ),
    pareto: str = typer.Option(None, help="Keep only the Pareto front of measures: latency,energy,area."),
    top: int = typer.Option(None, help="Keep only the best N points by the measure --by."),
    by: str = typer.Option(None, help="The measure of --top, such as energy_delay; -NAME for the largest."),
    resume: bool = typer.Option(False, "--resume", help="Go on with a run that was interrupted."),
    fresh: bool = typer.Option(False, "--fresh", help="Start over, whatever stands in the folder."),
    cluster: str = typer.Option(None, help="Run on the Dask cluster with this scheduler: tcp://host:8786."),
    workers: int = typer.Option(None, help="Run on a local Dask cluster of N processes."),
    chunk: int = typer.Option(None, help="Points in a chunk, the unit of work and of resuming."),
) -> None:
    """Run a study: a table on the screen, the results, figures and a report in a folder.

    Options after --out, but for --fresh, are for studies whose parts have a grid.
    """
    options = {
        "pareto": pareto, "top": top, "by": by, "resume": resume, "fresh": fresh, "cluster": cluster,
        "workers": workers, "chunk": chunk,
    }  # fmt: skip
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    finished = run_into(study, out, given)
    if finished.outcome.failed:
        raise FusemaxError(finished.outcome.failed)


def run_into(study: str, out: Path | None = None, options: Mapping[str, Any] | None = None) -> Finished:
    """Run the *study* called so into *out*, with a bar on a terminal, and say what came out."""
    from fusemax.screen import console as screen
    from fusemax.shipped import find
    from fusemax.study.run import run_study

    path = find("studies", study)
    console = screen(highlight=False)
    with _Bar(console) as progress:
        target = out or Path("results") / path.stem
        finished = run_study(path, target, command(study, out, options or {}), options or {}, progress)
    _show(console, finished)
    return finished


def command(study: str, out: Path | None, options: Mapping[str, Any]) -> str:
    """Return the command that makes a study again.

    >>> command("my study.yaml", None, {"pareto": "latency,area", "fresh": True})
    "fusemax run 'my study.yaml' --pareto latency,area --fresh"
    """
    words = ["fusemax", "run", study, *(["--out", str(out)] if out else [])]
    for name, value in options.items():
        words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shlex.join(words)


def _show(console: Console, finished: Finished) -> None:
    outcome, folder = finished.outcome, finished.report.parent
    for short in outcome.short:
        console.print(_table(short))
    for text in (*outcome.said, outcome.took):
        if text:
            console.print(text, soft_wrap=True)
    for picture in finished.pictures:
        if not picture.paths:
            console.print(f"no figure {picture.file}: {picture.caption}", soft_wrap=True)
    names = [path.name for path in finished.files if path.suffix in (".csv", ".parquet", ".txt")]
    drawn = sum(bool(picture.paths) for picture in finished.pictures)
    console.print(
        f"\nin {folder}: {', '.join(names)}; {drawn} figure{'s' * (drawn != 1)} (SVG, PNG)", soft_wrap=True
    )
    console.print(f"read first: {finished.report}", soft_wrap=True)


def _table(short: Short) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=short.title, title_justify="left", box=SIMPLE, pad_edge=False)
    for number, heading in enumerate(short.headings):
        is_text = number < short.texts
        table.add_column(heading, justify="left" if is_text else "right", no_wrap=not number or not is_text)
    firsts = [row[0] for row in short.rows]
    grouped = short.texts > 1 and len(set(firsts)) < len(firsts)
    before = ""
    for row in short.rows:
        repeated = grouped and row[0] == before
        if grouped and before and not repeated:
            table.add_section()
        before = row[0]
        table.add_row(*(("", *row[1:]) if repeated else row))
    return table


class _Bar:
    """A progress bar on a terminal; nothing in a pipe."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description:32}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.progress.add_task("starting", total=None)

    def __enter__(self) -> Progress:
        from rich.markup import escape

        self.progress.__enter__()
        return lambda done, total, text: self.progress.update(
            self.task, completed=done, total=total, description=escape(text[:32])
        )

    def __exit__(self, *error: object) -> None:
        self.progress.stop()
