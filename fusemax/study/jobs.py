"""What is to be computed, complete in itself: a grid in compiled form with the names of its columns.

A job can be pickled and sent to another machine, which then needs no study, machine or mapping file.
"""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fusemax.cost.lower import Grid, grid_of
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError, Place, Problem, ProblemsError, raise_if_any
from fusemax.machine import Machine, figures
from fusemax.nearest import nearest
from fusemax.shipped import ROOT
from fusemax.source import Document
from fusemax.study.designs import Designs
from fusemax.study.grid import (
    BREAKDOWN,
    MEASURES,
    SHORT,
    TILES,
    UNFIT,
    Axis,
    Layout,
    layout_of,
    program_of,
    reasons_of,
    with_free_tiles,
)
from fusemax.study.spec import BestOf, Configuration, StudyPart

TOTALS = ("latency_s", "traffic_B", "energy_J", "area_m2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Which points are kept: all, the front of the measures, or the first ``most`` by one; ``-name`` takes the largest."""

    kind: Literal["all", "front", "best"] = "all"
    measures: tuple[str, ...] = ()
    most: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the measures."""
        names = (name.removeprefix("-") for name in self.measures)
        return tuple(SHORT.get(name, name) for name in names)

    @property
    def signs(self) -> tuple[float, ...]:
        """1 for each measure of which less is better, -1 for the others."""
        return tuple(-1.0 if name.startswith("-") else 1.0 for name in self.measures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One configuration of one part: its grid with all columns, and with the measures only where few points are kept.

    The last output of both grids is the verdict (see :mod:`fusemax.study.grid`); before it, the table's says in bits which of
    the ``reasons`` hold where a point does not fit.
    """

    identity: tuple[tuple[str, str], ...]
    axes: tuple[Axis, ...]
    columns: tuple[str, ...]
    table: Grid
    measures: Grid
    keep: Keep
    reasons: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        """The number of points of the grid."""
        return self.table.points

    def digest(self) -> str:
        """Return a hash of everything that the results depend on."""
        grids = [grid.digest() for grid in (self.table, self.measures)]
        content = (self.identity, self.axes, self.columns, self.keep, self.reasons, grids)
        return hashlib.sha256(pickle.dumps(content, protocol=5)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The jobs of a study and the files that they came from."""

    jobs: tuple[Job, ...]
    files: tuple[Path, ...]

    @property
    def points(self) -> int:
        """The number of points of all jobs."""
        return sum(job.points for job in self.jobs)

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every file by its name as in the study or on the shelf."""
        return {shown(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files}


def shown(path: Path) -> str:
    """Return *path* relative to the shelves that come with fusemax, so that it is the same everywhere; others unchanged."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


def planned(
    parts: Sequence[StudyPart], keep: Keep, study: Document | None = None, designs: Designs | None = None
) -> Planned:
    """Return the jobs of all *parts* that have a grid; *keep* says which points are wanted, *study* where the parts stand.

    Raises
    ------
    FusemaxError
        With every mistake of every part and configuration.
    """
    designs = designs or Designs(folder=Path(study.file).parent if study else Path())
    jobs: list[Job] = []
    problems: list[Problem] = []
    for number, part in enumerate(parts):
        for name, configuration in part.configurations.items() if part.grid else ():
            try:
                _refuse_unsupported(part, configuration)
                jobs.append(_job(part, name, configuration, keep, designs))
            except ProblemsError as error:
                problems += error.problems
            except FusemaxError as error:
                place = _place(study, number, part, name, str(error)) if study else None
                problems.append(Problem(place, f"part {part.name!r}, configuration {name!r}: {error}"))
    raise_if_any(dict.fromkeys(problems))
    files = [Path(study.file)] if study else []
    return Planned(jobs=tuple(jobs), files=tuple(dict.fromkeys([*files, *designs.files.values()])))


def _place(study: Document, number: int, part: StudyPart, configuration: str, text: str) -> Place:
    """Return where in the *study* stands what *text* is about: messages start with the name that they mean."""
    name = text.partition(":")[0].strip("'").split("'")[0]
    inside = next((key for key in ("grid", "sizes", "tables") if name in getattr(part, key)), "")
    own = ("parts", number, "configurations", configuration)
    chosen = part.configurations[configuration]
    if inside:
        return study.place(("parts", number, inside, name))
    if name in ("where", "zip", "outputs", "points"):
        return study.place(("parts", number, "grid" if name == "points" else name))
    if name in chosen.figures:
        return study.place((*own, "figures", name), key=True)
    key = (
        "machine"
        if f"{chosen.machine!r} in" in text
        else "mapping"
        if f"{chosen.mapping!r} in" in text
        else ""
    )
    return study.place((*own, key) if key else own)


def _refuse_unsupported(part: StudyPart, configuration: Configuration) -> None:
    wrong = [
        key
        for key, value in (
            ("cases", configuration.cases),
            ("sum_over", part.sum_over),
            ("total_of", part.total_of),
        )
        if value
    ]
    if isinstance(configuration.mapping, BestOf):
        wrong.append("best_of")
    if wrong:
        hint = "give each case a configuration or a part of its own"
        raise FusemaxError(f"a part with a grid takes no {', '.join(wrong)}\n  hint: {hint}")


def _job(part: StudyPart, name: str, configuration: Configuration, keep: Keep, designs: Designs) -> Job:
    assert isinstance(configuration.mapping, str)
    machine = designs.machine(configuration.machine)
    shapes = {unit: tuple(described.shape) for unit, described in machine.units.items()}
    layout = layout_of(part, configuration.figures, shapes)
    _refuse_unknown_figures(machine, configuration.machine, layout.names)
    _refuse_many(layout, keep)
    free = [figure for figure in layout.names if "." in figure]
    tiles = [key.removeprefix(TILES) for key in part.grid if key.startswith(TILES)]
    mapped, program = designs.program(
        configuration.machine, configuration.mapping, configuration.changes, free
    )
    derived = with_free_tiles(program, tiles)
    program = program_of(mapped, derived, layout, part.where)
    columns = _columns(program, part.outputs)
    measures = {name: _line(program, name) for name in keep.columns}
    columns |= {name: line for name, line in measures.items() if name not in columns}
    axes = [axis.names for axis in layout.axes]
    values = [axis.values or ((0.0,) * axis.length,) for axis in layout.axes]
    axes = [names or ("",) for names in axes]
    identity = {
        "part": part.name,
        "configuration": name,
        "machine": configuration.machine,
        "mapping": configuration.mapping,
    }
    return Job(
        identity=tuple(identity.items()),
        axes=layout.axes,
        columns=tuple(columns),
        table=grid_of(program, [*columns.values(), UNFIT, "verdict"], axes, values),
        measures=grid_of(program, [*measures.values(), "verdict"], axes, values),
        keep=keep,
        reasons=reasons_of(program),
    )


MOST = 10**12  #: points of one job
MOST_ROWS = 2 * 10**9  #: rows of a whole table: some 150 GB


def _refuse_many(layout: Layout, keep: Keep) -> None:
    """Raise FusemaxError for more points than can be run, or rows than can be kept."""
    points = math.prod(axis.length for axis in layout.axes)
    if points > MOST:
        raise FusemaxError(f"points: the grid has {points:.3g} points, at most {MOST:.0e} can be run")
    if keep.kind == "all" and points > MOST_ROWS:
        hint = "keep a few of them: --pareto latency,area or --top 100 --by latency"
        raise FusemaxError(f"points: a table of {points:.3g} points is too large\n  hint: {hint}")


def _refuse_unknown_figures(machine: Machine, name: str, names: Sequence[str]) -> None:
    known = figures(machine)
    for figure in names:
        if "." in figure and figure not in known:
            near = nearest(figure, known)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(known)}"
            raise FusemaxError(f"{figure!r} is no figure of machine {name}\n  hint: {hint}")


def _columns(program: Program, wanted: Sequence[str]) -> dict[str, str]:
    """Return the line of each column: the totals and utilizations, or what ``outputs`` of the study names."""
    if not wanted:
        known = {line.name for line in program.lines}
        names = [name for name in TOTALS if name in known]
        names += [f"utilization_{line.label.unit}" for line in program.labelled("utilization")]
        return {name: _line(program, name) for name in names}
    columns: dict[str, str] = {}
    for name in wanted:
        kinds = BREAKDOWN if name == "breakdown" else (name,) if name in BREAKDOWN else ()
        lines = [line.name for kind in kinds for line in program.labelled(kind)]
        columns |= {line: line for line in lines} if kinds else {name: _line(program, name)}
    return columns


def _line(program: Program, name: str) -> str:
    """Return the line that the column *name* holds."""
    lines = {line.name for line in program.lines if line.label.kind != "verdict"}
    lines |= {f"utilization_{line.label.unit}" for line in program.labelled("utilization")}
    if name in lines:
        return (
            f"utilization[{name.removeprefix('utilization_')}]" if name.startswith("utilization_") else name
        )
    if name in MEASURES or name in TOTALS:
        text = f"the machine does not give all that {name} needs"
    else:
        near = nearest(name, [*lines, *MEASURES, *SHORT, "breakdown", *BREAKDOWN])
        text = f"there is no output {name!r}; " + (
            f"did you mean {near!r}?" if near else f"there are: {', '.join([*SHORT, *MEASURES])}"
        )
    raise FusemaxError(text)


def axis_columns(axes: Sequence[Axis], points: np.ndarray) -> dict[str, Any]:
    """Return the value of every name on the axes at the given *points* (int64), by column."""
    import polars

    columns: dict[str, Any] = {}
    rest = points
    found: list[tuple[Axis, np.ndarray]] = []
    for axis in reversed(axes):
        found.append((axis, (rest % axis.length).astype(np.int32)))
        rest = rest // axis.length
    for axis, positions in reversed(found):
        if axis.label:
            labels = polars.Series(axis.label, axis.labels, dtype=polars.Enum(axis.labels))
            columns[axis.label] = labels.gather(positions).cast(polars.String)
        for name, values in zip(axis.names, axis.values, strict=True):
            whole = "." not in name
            columns[name] = np.asarray(values, dtype=np.int64 if whole else np.float64)[positions]
    return columns
