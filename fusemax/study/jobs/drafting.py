"""From the points of a configuration to a draft: a program for each way to run them, and the tiles that are tried."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from fusemax.cost.evaluate import sizes_for
from fusemax.cost.program import Program
from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.language.syntax import Call, Expression, Name, Number
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped
from fusemax.study.columns import TELLING
from fusemax.study.jobs.asked import Asked
from fusemax.study.jobs.choices import Way, exponents, ways_of
from fusemax.study.jobs.draft import TRY, Choice, Draft
from fusemax.study.jobs.formulas import program_of, with_free_tiles
from fusemax.study.jobs.refused import refuse_fractions, refuse_places
from fusemax.study.spec.axes import TILES, is_several
from fusemax.study.spec.axis import Axis
from fusemax.study.spec.choice import Searched
from fusemax.study.spec.file import Configuration
from fusemax.study.spec.outside import is_outside
from fusemax.study.spec.points import Point
from fusemax.study.spec.reached import values_at
from fusemax.study.spec.values import number_or_formula


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
    assert not isinstance(mapping, Searched)  # fusemax.study.jobs.sought_draft
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
