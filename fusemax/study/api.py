"""Sweeps from Python: one call, a polars table back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    import polars

    from fusemax.study.execute.stream import Progress
    from fusemax.study.jobs.job import Planned


def run_plan(plan: Planned, progress: bool | Callable[[Progress], None] = False) -> polars.DataFrame:
    """Return the table of *plan*; *progress* as for :func:`fusemax.sweep`."""
    from fusemax.library.values import shown
    from fusemax.study.execute.stream import in_memory

    if progress is False:
        return in_memory(plan)
    if callable(progress):
        return in_memory(plan, report=progress)
    if progress is not True:
        raise FusemaxError(f"progress: expected True, False or a function, got {shown(progress)}")
    return _with_bar(plan)


def sweep_study(study: str | Path) -> polars.DataFrame:
    """Return the table of all points of a study whose parts have grids, by its name or file."""
    from fusemax.library.values import path
    from fusemax.study.execute.stream import in_memory
    from fusemax.study.load import load_study
    from fusemax.study.plan.whole import planned

    file, document, _ = load_study(str(path(study, "study")))
    return in_memory(planned(file, document, most_whole=0))


def _with_bar(plan: Planned) -> polars.DataFrame:
    from rich.progress import Progress as Bar

    from fusemax.study.execute.stream import in_memory

    with Bar(transient=True) as bar:
        task = bar.add_task("points", total=plan.points)
        return in_memory(plan, report=lambda done: bar.update(task, completed=done.points_done))
