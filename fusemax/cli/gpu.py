"""``fusemax gpu``: measure attention kernels on a GPU, and fit the constants of their mappings again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    from fusemax.gpu.measure import Progress, Summary

gpu = typer.Typer(
    help="Attention kernels on GPUs: measure them, check their constants.", no_args_is_help=True
)


class DeviceKind(StrEnum):
    """Where to measure."""

    cuda = "cuda"
    cpu = "cpu"


@gpu.command("measure")
def measure(
    out: Annotated[Path, typer.Option(help="CSV file of rows; an existing one is resumed.")],
    grid: Annotated[str | None, typer.Option(help="What to measure: a file, or a name in studies/.")] = None,
    device: Annotated[DeviceKind, typer.Option(help="Where to measure.")] = DeviceKind.cuda,
    budget: Annotated[str, typer.Option(help="Begin no point after this time.")] = "450s",
    seed: Annotated[int, typer.Option(help="Of the random inputs.", min=0)] = 0,
) -> None:
    """Time attention kernels over a grid of shapes, and check their results."""
    from fusemax.gpu.measure import measure as run
    from fusemax.quantity import QuantityError, quantity

    try:
        budget_s = quantity(budget, "s")
    except QuantityError as error:
        raise FusemaxError(f"--budget: {error}") from None
    with _bar() as watch:
        summary = run(out, grid=grid, device=device.value, budget_s=budget_s, seed=seed, watch=watch)
    typer.echo(_told(summary, out))


@gpu.command("calibrate")
def calibrate(
    study: Annotated[str, typer.Option(help="A study of kind gpu: a file, or a name in studies/.")] = "gpu",
    only: Annotated[
        list[str] | None, typer.Option(help="Mappings whose path holds this; may be repeated.")
    ] = None,
) -> None:
    """Fit wait and start of GPU mappings again from the calibration rows, beside what their files state."""
    from rich.console import Console

    from fusemax.gpu.asked import study_file
    from fusemax.gpu.calibrate import calibrate as run
    from fusemax.gpu.calibrate import groups
    from fusemax.gpu.published import published
    from fusemax.screen import table
    from fusemax.shipped import find

    path = find("studies", study)
    described = study_file(path)
    found = groups(described, published(path.parent / described.published))
    found = [group for group in found if not only or any(text in str(group.mapping) for text in only)]
    if not found:
        raise FusemaxError(
            f"--only: no mapping with calibration rows has {' or '.join(only or ())} in its path"
        )
    fits = run(found)
    rows = (
        (fit.group.label, str(len(fit.group.rows)), str(fit.group.stated), f"{fit.stated_error:.3f}",
         str(fit.best), f"{fit.best_error:.3f}")
        for fit in fits
    )  # fmt: skip
    headings = ("mapping", ">rows", ">stated", ">mean |log|", ">fitted", ">mean |log|")
    found = table(headings, rows, "Wait and start, stated and fitted")
    found.columns[0].no_wrap = True
    Console(highlight=False, markup=False).print(found)


def _told(summary: Summary, out: Path) -> str:
    """Return the summary as text."""
    lines = [
        f"{summary.device}: {summary.ok} rows in {summary.elapsed_s:.0f} s, {summary.refused} refused, "
        f"{summary.wrong} wrong, {summary.already} already there -> {out}"
    ]
    if summary.torn:
        lines.append("the last row of an earlier run was unfinished and has been cut off")
    if summary.no_counters is not None:
        lines.append(f"no DRAM counters: {summary.no_counters}")
    if summary.left:
        lines.append(f"time is up, {summary.left} points left; the same command goes on with them")
    return "\n".join(lines)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None] | None]:
    """Show points done, their rate and the time left; on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True, markup=False)
    if not console.is_terminal:
        yield None
        return
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.description}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, rate="")

        def watch(progress: Progress) -> None:
            speed = progress.done / progress.elapsed_s if progress.elapsed_s > 0 else 0.0
            left_s = (progress.total - progress.done) / speed if speed else progress.left_s
            rate = f"{speed:.1f}/s, {min(left_s, progress.left_s):.0f} s left"
            bar.update(
                task, total=progress.total, completed=progress.done, description=progress.label, rate=rate
            )

        yield watch
