"""A part with what its jobs need of its study, and a job of it but for the columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from fusemax.source import Document, KeyPath
from fusemax.study.columns import TELLING
from fusemax.study.designs import Designs
from fusemax.study.jobs.job import Alternative, Job
from fusemax.study.jobs.keep import Keep
from fusemax.study.jobs.sought import Sought
from fusemax.study.spec.axes import is_several
from fusemax.study.spec.axis import Axis
from fusemax.study.spec.file import Configuration, StudyFile, StudyPart
from fusemax.study.spec.points import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A part with what its jobs need of its study: ``at`` is its place there, ``identity`` the columns before its own."""

    study: StudyFile
    part: StudyPart
    document: Document
    designs: Designs
    at: KeyPath
    keep: Keep
    identity: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A job but for its columns, which depend on how many points there are in all.

    Attributes
    ----------
    asked
        The part, with what its jobs need of its study.
    configuration
        The one called *name*, its cases applied.
    numbers
        The place of each point among all of its part.
    points, axes
        The points, and the axes of the grid.
    """

    asked: Asked
    name: str
    configuration: Configuration
    numbers: tuple[int, ...]
    points: tuple[Point, ...]
    axes: tuple[Axis, ...]

    @property
    def size(self) -> int:
        """The number of points."""
        return len(self.points) * prod(axis.length for axis in self.axes)

    def names(self, whole: bool) -> list[str]:
        """Return the names of the columns of measures, each once; raise FusemaxError for outputs that there are not."""
        raise NotImplementedError

    def job(self, whole: bool, columns: Sequence[str], numeric: Collection[str]) -> Job:
        """Return the job; *columns* are those of the whole table, *numeric* the labels that are numbers throughout."""
        raise NotImplementedError

    def _job(
        self, on: Axis, whole: bool, columns: Sequence[str], numeric: Collection[str],
        alternatives: tuple[Alternative, ...] = (), by: tuple[str, ...] = (TELLING["time"],), sought: Sought | None = None,
    ) -> Job:  # fmt: skip
        """Return the job whose points stand on the axis *on*; it chooses among *alternatives*, or searches."""
        asked, part, points = self.asked, self.asked.part, self.points
        length = asked.study.length
        grid = tuple(name for axis in self.axes for name in axis.names)
        several = [n for n, v in [*part.sizes.items(), *part.grid.items()] if is_several(v)]
        outer = [n for n in on.names if n in several and n not in grid]
        is_length = length in (*on.names, *grid) or length in points[0].formulas
        return Job(
            identity=(*asked.identity.items(), ("part", part.name), ("configuration", self.name)),
            part=int(asked.at[-1]) if asked.at else 0,
            machine=self.configuration.machine,
            labels={
                name: tuple(int(p.labels[name]) if name in numeric else p.labels[name] for p in points)
                for name in points[0].labels
            },
            numbers=self.numbers,
            outer=on,
            axes=self.axes,
            shown=tuple(n for n in (*outer, *grid) if n != length or n in grid),
            length=length if is_length else "",
            alternatives=alternatives,
            by=by,
            sought=sought,
            keep=asked.keep,
            columns=tuple(columns),
            whole=whole,
        )
