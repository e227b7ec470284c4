"""From the points of a configuration to a job: its program, what stands on its axes, and the grids that are run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

from fusemax.cost.lower import grid_of
from fusemax.cost.program import Program
from fusemax.mapping.nest import Mapped
from fusemax.study.jobs.asked import Drafted
from fusemax.study.jobs.choices import Way
from fusemax.study.jobs.job import Alternative, Job
from fusemax.study.jobs.measures import (
    TOLD,
    Column,
    chosen_of,
    column_called,
    columns_of,
    lines_of,
    totals_of,
)
from fusemax.study.jobs.verdict import UNFIT, VERDICT, reasons_of
from fusemax.study.spec.axis import Axis

NESTED_FROM = 1000  #: points from which code for many that follow one another pays
TRY = "try."  #: before the name of a tile: the power of two that is tried
SAID = (
    "tile",
    "groups",
    "beside",
    "occupancy",
    "capacity",
    "room",
)  #: kinds of lines that messages are made of


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One way to run the points of a draft: its mapping, its program, and the tiles that are tried."""

    way: Way
    mapped: Mapped
    program: Program
    outer: Axis
    tries: tuple[Axis, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft(Drafted):
    """A draft whose points each take the best of some *choices*, that of the least *by*."""

    choices: tuple[Choice, ...]
    by: tuple[str, ...]

    def columns(self, choice: Choice, whole: bool) -> dict[str, Column]:
        """Return the columns of one way: all of them, the totals, or what ``outputs`` names."""
        part = self.asked.part
        if part.outputs:
            return chosen_of(choice.program, part.outputs)
        found = columns_of(choice.program) if whole else totals_of(choice.program)
        return found | {
            n: column_called(choice.program, n) for n in self.asked.keep.columns if n not in found
        }

    def names(self, whole: bool) -> list[str]:
        """Return the names of the columns of all ways, each once."""
        return list(dict.fromkeys(name for choice in self.choices for name in self.columns(choice, whole)))

    def job(self, whole: bool, columns: Sequence[str], numeric: Collection[str]) -> Job:
        """Return the job, with an alternative for each way."""
        alternatives = tuple(self._alternative(choice, whole) for choice in self.choices)
        return self._job(self.choices[0].outer, whole, columns, numeric, alternatives, self.by)

    def _alternative(self, choice: Choice, whole: bool) -> Alternative:
        program = choice.program
        columns = self.columns(choice, whole)
        long = whole and not self.asked.part.outputs
        lines = {li.name: li.label for li in program.lines if long and li.label.kind in (*TOLD, *SAID)}
        tiles = [axis.names[0].removeprefix(TRY) for axis in choice.tries]
        length = self.asked.study.length
        extra = [*tiles, *([length] if length in self.points[0].formulas else [])]
        outputs = dict.fromkeys((*lines_of(columns), *lines, *extra))
        asked_for = [column_called(program, name) for name in self.asked.keep.columns]
        kept = [line for column in asked_for for line in lines_of({"": column})]
        choosing = self.by if len(self.choices) > 1 or choice.tries else ()
        axes = (choice.outer, *self.axes, *choice.tries)
        named = [axis.names or ("",) for axis in axes]
        values = [axis.values or ((0.0,) * len(self.points),) for axis in axes]
        trials = prod(axis.length for axis in choice.tries)
        nested = self.size * trials >= NESTED_FROM
        table = grid_of(program, [*outputs, UNFIT, VERDICT], named, values, nested=nested)
        lines_kept = [*kept, *choosing, VERDICT]
        is_asked = bool(kept or choosing)  # else nobody asks for measures alone
        measures = grid_of(program, lines_kept, named, values, nested=nested) if is_asked else table
        return Alternative(
            mapped=choice.mapped,
            way=choice.way,
            tiles=tuple(tiles),
            trials=trials,
            table=table,
            measures=measures,
            columns=columns,
            lines=lines,
            reasons=reasons_of(program),
        )
