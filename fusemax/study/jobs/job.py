"""What is to be computed, complete in itself: grids in compiled form with the columns that are made of their outputs.

A job can be pickled and sent to another machine, which then needs no study, machine or mapping file.
"""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fusemax.cost.lower import Grid
from fusemax.cost.program import Label
from fusemax.mapping.nest import Mapped
from fusemax.shipped import ROOT
from fusemax.study.jobs.choices import Way
from fusemax.study.jobs.keep import Keep
from fusemax.study.jobs.measures import Column
from fusemax.study.jobs.sought import Sought
from fusemax.study.spec.axis import Axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One way to run the points of a job.

    Attributes
    ----------
    mapped
        The mapping, which says in words what has no room.
    way
        What is said of it.
    tiles
        The tiles that are chosen; each has an axis of what is tried, the last ones of the grids, ``trials`` points in all.
    table
        The grid of all outputs; its last two are what does not fit, in bits, and the verdict (see ``verdict``).
    measures
        The grid of what points are kept and chosen by, and the verdict.
    columns
        What the outputs make.
    lines
        The lines of the long table and of messages among the outputs, by name.
    reasons
        What each bit says.
    """

    mapped: Mapped
    way: Way
    tiles: tuple[str, ...]
    trials: int
    table: Grid
    measures: Grid
    columns: Mapping[str, Column]
    lines: Mapping[str, Label]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One configuration at some points of one part, times the grid.

    Attributes
    ----------
    identity
        Columns that are the same in all rows, in their order: the part, the configuration, and what stands beside them.
    part
        The place of the part in the study.
    machine
        The machine's name.
    labels
        The labels of the points by column.
    numbers
        The place of each point among all of its part: the order of the rows.
    outer, axes
        The axis of the points, and those of the grid.
    shown
        The names on axes that have columns, and the one that ``seq_len`` shows.
    alternatives
        The ways to run a point; of several each takes that of the least ``by``.
    sought
        What is searched for at every point, where there are no alternatives to choose from.
    columns
        The columns of measures of the whole table, in order; those that the job lacks are empty.
    whole
        Whether the rows say all that there is to say: the tables of a study are made from them.
    """

    identity: tuple[tuple[str, str], ...]
    part: int
    machine: str
    labels: Mapping[str, tuple[str | int, ...]]
    numbers: tuple[int, ...]
    outer: Axis
    axes: tuple[Axis, ...]
    shown: tuple[str, ...]
    length: str
    alternatives: Sequence[Alternative]
    by: tuple[str, ...]
    sought: Sought | None = None
    keep: Keep
    columns: tuple[str, ...] = ()
    whole: bool = False

    @property
    def points(self) -> int:
        """The number of points."""
        return self.outer.length * math.prod(axis.length for axis in self.axes)

    @property
    def chooses(self) -> bool:
        """Whether a point has several ways to be run."""
        return len(self.alternatives) > 1 or any(each.trials > 1 for each in self.alternatives)

    @property
    def lines(self) -> Mapping[str, Label]:
        """The lines of the long table, of all alternatives."""
        return {name: label for each in self.alternatives for name, label in each.lines.items()}

    def digest(self) -> str:
        """Return a hash of everything that the results depend on."""
        grids = [grid.digest() for each in self.alternatives for grid in (each.table, each.measures)]
        ways = [
            (each.way, each.tiles, tuple(each.columns.items()), each.reasons) for each in self.alternatives
        ]
        given = (
            self.identity,
            self.machine,
            tuple(self.labels.items()),
            self.numbers,
            self.outer,
            self.axes,
            self.shown,
        )
        searched = self.sought.digest() if self.sought else ""
        content = (given, self.length, self.by, self.columns, self.keep, ways, grids, searched)
        return hashlib.sha256(pickle.dumps(content, protocol=5)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The jobs of a study, the files that they came from by name, and the columns of their table in order.

    ``whole`` says whether the rows tell all that there is to tell of each point.
    """

    jobs: tuple[Job, ...]
    files: Mapping[str, Path]
    order: tuple[str, ...]
    whole: bool = False

    @property
    def points(self) -> int:
        """The number of points of all jobs."""
        return sum(job.points for job in self.jobs)

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every file by its name as in the study or on the shelf."""
        return {shown(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files.values()}


def shown(path: Path) -> str:
    """Return *path* relative to the shelves that come with fusemax, so that it is the same everywhere; others unchanged."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
