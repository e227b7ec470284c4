"""From the points of a configuration to a job: its program, what stands on its axes, and the grids that are run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from fusemax.cascade.ir import Cascade
from fusemax.cascade.sizes import SizeError
from fusemax.cost.evaluate import sizes_for
from fusemax.cost.lower import grid_of
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.language.syntax import Binary, Call, Expression, Name, Number
from fusemax.language.value import is_size, size_fault
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.source import Document, KeyPath
from fusemax.study.axes import TILES, is_several
from fusemax.study.axis import Axis
from fusemax.study.choices import Way, exponents, ways_of
from fusemax.study.describe import TELLING
from fusemax.study.designs import Designs
from fusemax.study.formulas import UNFIT, VERDICT, program_of, reasons_of, with_free_tiles
from fusemax.study.jobs import Alternative, Job, Keep
from fusemax.study.measures import (
    TOLD,
    Column,
    chosen_of,
    column_called,
    columns_of,
    lines_of,
    totals_of,
)
from fusemax.study.points import Point, is_outside, names_in
from fusemax.study.sought import Sought
from fusemax.study.spec import Condition, Configuration, Searched, StudyFile, StudyPart
from fusemax.study.values import TooManyError, number_or_formula, values_at


class FractionError(FusemaxError):
    """A formula of the study that makes the size *name* no whole number."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        super().__init__(text)


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


def drafted(
    asked: Asked,
    name: str,
    configuration: Configuration,
    machine: Machine,
    members: Sequence[tuple[int, Point]],
    axes: Sequence[Axis],
) -> Draft:
    """Return the draft of the points *members* of a *configuration* whose cases are applied.

    Raises
    ------
    FusemaxError
        For sizes that are missing or do not suit the cascade, formulas and conditions on what is not there.
    """
    mapping = configuration.mapping
    assert not isinstance(mapping, Searched)  # fusemax.study.sought_draft
    points = tuple(point for _, point in members)
    ways = ways_of(mapping, configuration.changes)
    choices = tuple(_choice(asked, configuration, machine, way, points, axes) for way in ways)
    return Draft(
        asked=asked,
        name=name,
        configuration=configuration,
        numbers=tuple(number for number, _ in members),
        points=points,
        axes=tuple(axes),
        choices=choices,
        by=(TELLING["time"],) if isinstance(mapping, str) else tuple(mapping.by),
    )


def _choice(
    asked: Asked, configuration: Configuration, machine: Machine, way: Way, points: Sequence[Point],
    axes: Sequence[Axis],
) -> Choice:  # fmt: skip
    part = asked.part
    swept = {name for axis in axes for name in axis.names}
    tiles = [n.removeprefix(TILES) for n in part.grid if n.startswith(TILES)]
    given, formulas = figures_of(asked, configuration)
    mapped = asked.designs.mapped(machine, way.mapping, way.changes)
    free = {*given, *formulas, *points[0].figures, *filter(is_figure, swept)}
    derived = asked.designs.program(mapped, machine, free)
    derived = with_free_tiles(derived, [*tiles, *way.tiles]) if tiles or way.tiles else derived
    formulas |= points[0].formulas
    tables = [
        _table(mapped, derived, point, given, {*swept, *tiles, *formulas, *way.tiles}) for point in points
    ]
    outer = Axis(names=tuple(tables[0]), values=tuple(tuple(table[n] for table in tables) for n in tables[0]))
    known = {n: v for n, v in derived.parameters.items() if v is not None}
    where = {n: c for n, c in enumerate(part.where) if not is_outside(c, part, swept)}
    refuse_fractions(points[0], tables, axes, known, formulas, where)
    refuse_places(mapped.cascade, tables, axes, known, formulas, where)
    rules = {name: _rule(name, rule) for name, rule in way.tiles.items()}
    tries = [_tries(n, rule, tables, axes, known, formulas) for n, rule in rules.items()]
    formulas |= {n: Call("min", (Name(f"{TRY}{n}"), rule)) for n, rule in rules.items()}
    names_given = [n for axis in (outer, *axes, *tries) for n in axis.names]
    program = program_of(mapped, machine, derived, names_given, formulas, where)
    return Choice(way=way, mapped=mapped, program=program, outer=outer, tries=tuple(tries))


def refuse_fractions(
    point: Point, tables: Sequence[Mapping[str, float]], axes: Sequence[Axis], known: Mapping[str, float],
    formulas: Mapping[str, Expression], where: Mapping[int, Condition],
) -> None:  # fmt: skip
    """Raise FusemaxError where a formula of the study makes a size that is no whole number, and no condition may leave it out.

    Where there are too many values to be looked at, the rows say it.
    """
    for name, rule in point.formulas.items():
        try:
            for at, value in values_at(rule, tables, axes, known, formulas):
                if not is_size(value) and not _left_out(at, where):
                    said = ", ".join(f"{n} = {v:g}" for n, v in at.items())
                    text = f"{name} = {rule} = {value:g} is not {size_fault(value)} at {said}"
                    hint = "leave such points out with a condition under 'where'"
                    raise FractionError(name, f"{text}\n  hint: {hint}")
        except (KeyError, TooManyError):
            continue


def refuse_places(
    cascade: Cascade, tables: Sequence[Mapping[str, float]], axes: Sequence[Axis], known: Mapping[str, float],
    formulas: Mapping[str, Expression], where: Mapping[int, Condition],
) -> None:  # fmt: skip
    """Raise SizeError where a swept size has no place that the cascade names (``N[2,m]``), and no condition may leave it out.

    Where there are too many values to be looked at, or a size follows from others, nothing is said.
    """
    for access, rank, index in cascade.fixed_places:
        more = rank in cascade.tensors[access.tensor].generations
        beyond = Binary("-", Binary("-", Name(rank), index), Number(0.0 if more else 1.0))
        for rule, wrong in ((beyond, "beyond the last place of"), (index, "before the first place of")):
            try:
                for at, value in values_at(rule, tables, axes, known, formulas):
                    if value < 0 and not _left_out(at, where):
                        said = ", ".join(f"{n}={v:g}" for n, v in at.items())
                        hint = "leave such points out with a condition under 'where'"
                        raise SizeError(
                            f"{access} is not there: {wrong} rank {rank} at {said}\n  hint: {hint}"
                        )
            except (KeyError, TooManyError):
                continue


def _left_out(at: Mapping[str, float], where: Mapping[int, Condition]) -> bool:
    """Return whether a condition leaves the point out, or may: one on more than what is known of it."""
    return any(not names_in(condition) <= set(at) or not condition.holds(at) for condition in where.values())


def _rule(name: str, rule: object) -> Expression:
    found = number_or_formula(name, rule)
    return found if isinstance(found, Expression) else Number(float(found))


def figures_of(asked: Asked, configuration: Configuration) -> tuple[dict[str, float], dict[str, Expression]]:
    """Return the figures that are the same at all points: numbers, and formulas of others."""
    single = {n: v for n, v in asked.part.grid.items() if is_figure(n) and not is_several(v)}
    read = {
        n: number_or_formula(n.removeprefix(TILES), v) for n, v in {**configuration.figures, **single}.items()
    }
    numbers = {n.removeprefix(TILES): float(v) for n, v in read.items() if isinstance(v, int | float)}
    return numbers, {n.removeprefix(TILES): v for n, v in read.items() if isinstance(v, Expression)}


def _table(
    mapped: Mapped, program: Program, point: Point, figures: Mapping[str, float], later: Collection[str]
) -> dict[str, float]:
    """Return what stands on the axis of points: sizes, those that follow from others too, and figures."""
    given: dict[str, float] = {**figures, **point.figures}
    found = {name: float(size) for name, size in point.sizes.items()}
    if not any(not is_figure(name) and name in mapped.cascade.ranks for name in later):
        needed = {
            n: None for n, v in program.parameters.items() if v is None and n not in given and n not in later
        }
        known = {*mapped.cascade.ranks, *mapped.cascade.size_symbols(), *needed}
        sizes = {name: value for name, value in point.sizes.items() if name in known}
        solved = sizes_for(mapped, Program(parameters=needed, lines=program.lines), sizes)
        found |= {name: float(size) for name, size in solved.items()}
    return {**found, **{name: value for name, value in given.items() if name not in later}}


def _tries(
    name: str, rule: Expression, tables: Sequence[Mapping[str, float]], axes: Sequence[Axis],
    known: Mapping[str, float], formulas: Mapping[str, Expression],
) -> Axis:  # fmt: skip
    """Return the axis of what the tile *name* is tried at, up to the most that *rule* comes to at any point."""
    try:
        most = max(value for _, value in values_at(rule, tables, axes, known, formulas))
    except KeyError as error:
        raise FusemaxError(f"tiles.{name}: {error.args[0]!r} is no size or figure of the point") from None
    return Axis(names=(f"{TRY}{name}",), values=(exponents(most),))
