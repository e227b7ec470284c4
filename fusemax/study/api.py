"""Sweeps from Python: one call, a polars table back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusemax.errors import FusemaxError

if TYPE_CHECKING:
    import polars

    from fusemax.study.jobs import Planned
    from fusemax.study.stream import Progress


def sweep(
    machine: str,
    mapping: str,
    *,
    grid: Mapping[str, Any],
    sizes: Mapping[str, Any] | None = None,
    figures: Mapping[str, Any] | None = None,
    zip: Sequence[Sequence[str]] = (),
    where: Sequence[str] = (),
    outputs: Sequence[str] = (),
    pareto: Sequence[str] = (),
    top: int | None = None,
    by: str | None = None,
    progress: bool | Callable[[Progress], None] = False,
) -> polars.DataFrame:
    """Return the table of a grid of design points, one row each, or the few that *pareto* or *top* keep.

    Parameters
    ----------
    machine, mapping
        Names of ``arch/``, or your own files.
    grid
        Values or ranges by name: sizes (``M``), figures of the machine (``L3.size``, ``2d.shape``), tiles (``tiles.P1``).
    sizes, figures
        What stays the same at all points, or follows from a formula (``P: M``).
    zip, where, outputs
        As in a study: names that go together, conditions, columns.
    pareto
        Measures of which only the front is kept.
    top, by
        The number of points to keep, and the measure that orders them.
    progress
        True shows a bar on a terminal or in a notebook; a function is called with where the sweep is.

    >>> import fusemax
    >>> sizes = {"B": 1, "H": 12, "E": 64, "F": 64, "M": 4096, "P": "M"}
    >>> table = fusemax.sweep("fusemax", "fusemax", sizes=sizes, grid={"L3.size": ["1 MiB", "16 MiB"]})
    >>> table.select("L3.size", "traffic_B").rows()
    [(1048576.0, 37748736.0), (16777216.0, 25165824.0)]
    """
    from fusemax.study.jobs import planned
    from fusemax.study.spec import StudyPart
    from fusemax.study.stream import in_memory, keep_of

    try:
        part = StudyPart.model_validate(
            {
                "name": "sweep", "sizes": dict(sizes or {}), "grid": dict(grid), "zip": [list(g) for g in zip],
                "where": list(where), "outputs": list(outputs),
                "configurations": {
                    mapping: {"machine": machine, "mapping": mapping, "figures": dict(figures or {})}
                },
            }
        )  # fmt: skip
    except ValueError as error:
        raise FusemaxError(str(error)) from None
    plan = planned([part], keep_of(",".join(pareto) if pareto else None, top, by))
    if progress is False:
        return in_memory(plan)
    if callable(progress):
        return in_memory(plan, report=progress)
    return _with_bar(plan)


def sweep_study(study: str | Path) -> polars.DataFrame:
    """Return the table of all points of a study whose parts have grids, by its name or file."""
    from fusemax.study.jobs import planned
    from fusemax.study.load import load_study
    from fusemax.study.stream import in_memory, keep_of

    file, document, _ = load_study(str(study))
    return in_memory(planned(file.parts, keep_of(None, None, None), document))


def _with_bar(plan: Planned) -> polars.DataFrame:
    from rich.progress import Progress as Bar

    from fusemax.study.stream import in_memory

    with Bar(transient=True) as bar:
        task = bar.add_task("points", total=plan.points)
        return in_memory(plan, report=lambda done: bar.update(task, completed=done.points_done))
