"""From the points of a configuration whose mapping is searched for to a job."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

from fusemax.errors import FusemaxError
from fusemax.machine import Machine
from fusemax.nearest import meant
from fusemax.study.jobs.asked import Asked, Drafted
from fusemax.study.jobs.drafting import figures_of
from fusemax.study.jobs.formulas import MEASURES
from fusemax.study.jobs.job import Job
from fusemax.study.jobs.limit import LIMIT
from fusemax.study.jobs.measures import SHORT
from fusemax.study.jobs.refused import refuse_fractions, refuse_places
from fusemax.study.jobs.sought import LEAST, Sought, sizes_and_figures, solved
from fusemax.study.jobs.sought_asked import cascade_for, columns_on, wanted_of
from fusemax.study.jobs.verdict import ConditionError
from fusemax.study.spec.axes import TILES
from fusemax.study.spec.axis import Axis
from fusemax.study.spec.choice import Searched
from fusemax.study.spec.file import Configuration
from fusemax.study.spec.outside import is_outside, names_in
from fusemax.study.spec.points import Point

TRIED = 32  #: points whose sizes and figures are looked at before anything is searched


@dataclass(frozen=True, slots=True, kw_only=True)
class SoughtDraft(Drafted):
    """A draft whose mappings are searched for; its points stand on the axis *outer*."""

    outer: Axis
    sought: Sought

    def names(self, whole: bool) -> list[str]:
        """Return the columns of measures: all that the machine has, the totals, or what ``outputs`` names."""
        every = columns_on(self.sought.machine, self.sought.cascade)
        if self.asked.part.outputs:
            known = [*every, *MEASURES, *LEAST]
            for name in self.asked.part.outputs:
                if name not in known:
                    hint = f"\n  hint: {meant(name, [*known, *SHORT])}"
                    raise FusemaxError(f"there is no output {name!r} of a mapping that is searched for{hint}")
            return list(self.asked.part.outputs)
        found = every if whole else columns_on(self.sought.machine, self.sought.cascade, totals=True)
        lost = [name for name in self.asked.keep.columns if name not in (*every, *MEASURES, *LEAST)]
        if lost:
            raise FusemaxError(f"there is no output {lost[0]!r}\n  hint: {meant(lost[0], [*every, *LEAST])}")
        return [*found, *LEAST]

    def job(self, whole: bool, columns: Sequence[str], numeric: Collection[str]) -> Job:
        """Return the job, which searches."""
        return self._job(self.outer, whole, columns, numeric, sought=self.sought)


def sought(
    asked: Asked, name: str, configuration: Configuration, machine: Machine,
    members: Sequence[tuple[int, Point]], axes: Sequence[Axis],
) -> SoughtDraft:  # fmt: skip
    """Return the draft of the points *members* of a *configuration* whose mapping is searched for.

    Raises
    ------
    FusemaxError
        For sizes that are missing or do not suit the cascade, operations that no unit can do, formulas and conditions on what
        is not there.
    """
    mapping = configuration.mapping
    assert isinstance(mapping, Searched)
    points = tuple(point for _, point in members)
    cascade = cascade_for(asked, configuration)
    tiles = [name for name in asked.part.grid if name.startswith(TILES)]
    if tiles:
        raise FusemaxError(
            f"{tiles[0]}: a mapping that is searched for has the tiles that are found\n"
            "  hint: 'within: {tiles: ...}' narrows them"
        )
    swept = {name for axis in axes for name in axis.names}
    given, formulas = figures_of(asked, configuration)
    formulas |= points[0].formulas
    tables = [{**{n: float(v) for n, v in p.sizes.items()}, **given, **p.figures} for p in points]
    tables = [{n: v for n, v in table.items() if n not in swept and n not in formulas} for table in tables]
    outer = Axis(names=tuple(tables[0]), values=tuple(tuple(table[n] for table in tables) for n in tables[0]))
    where = {n: c for n, c in enumerate(asked.part.where) if not is_outside(c, asked.part, swept)}
    refuse_fractions(points[0], tables, axes, {}, formulas, where)
    refuse_places(cascade, tables, axes, {}, formulas, where)
    found = Sought(
        cascade=cascade, machine=machine, wanted=wanted_of(mapping, cascade, machine), formulas=formulas,
        where=tuple(where.values()), length=asked.study.length, each=mapping.each,
    )  # fmt: skip
    _tried(found, tables, axes, [*where])
    return SoughtDraft(
        asked=asked, name=name, configuration=configuration, numbers=tuple(number for number, _ in members),
        points=points, axes=tuple(axes), outer=outer, sought=found,
    )  # fmt: skip


def _tried(
    found: Sought, tables: Sequence[Mapping[str, float]], axes: Sequence[Axis], numbers: Sequence[int]
) -> None:
    """Look at what is asked of the search at some points: sizes, figures, operations, the objective, conditions."""
    from fusemax.search.answer import check_objective
    from fusemax.search.facts import facts_of, figure_values

    grid = [
        [dict(zip(axis.names, row, strict=True)) for row in zip(*axis.values, strict=True)] for axis in axes
    ]
    for table, *chosen in islice(product(tables, *([rows[0], rows[-1]] for rows in grid)), TRIED):
        values = solved(found, {name: v for part in (table, *chosen) for name, v in part.items()})
        sizes, figures = sizes_and_figures(found.cascade, values)
        within = found.wanted.within
        facts = facts_of(found.cascade, found.machine, sizes, figures, found.wanted.absorb, within)
        check_objective(facts, found.wanted.objective)
        known = {*values, *figure_values(found.cascade, found.machine, figures), *MEASURES, *LEAST}
        known |= set(columns_on(found.machine, found.cascade)) - {LIMIT}
        for number, condition in zip(numbers, found.where, strict=True):
            unknown = sorted(names_in(condition) - known)
            if unknown:
                said = f"{unknown[0]!r} is no size, figure or label that is given here, and no output"
                raise ConditionError(number, f"{said}\n  hint: {meant(unknown[0], sorted(known))}")
