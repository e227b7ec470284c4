"""The program of a job: the cost of its design, with the formulas of the study, its measures, and what marks a point.

Every point gets a ``verdict``: 0 where a condition leaves it out, 1 where it cannot be run (a size or a tile is no whole
number, something does not fit), 2 where all is well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import sympy

from fusemax.cost.program import Label, Line, Program
from fusemax.cost.roofline import roofline_lines
from fusemax.cost.symbols import ceildiv, symbol, to_sympy
from fusemax.errors import FusemaxError
from fusemax.language.figure import is_figure
from fusemax.language.syntax import Expression
from fusemax.machine import Machine
from fusemax.mapping.given import check_not_given
from fusemax.mapping.nest import Mapped
from fusemax.study.jobs.verdict import verdict_lines
from fusemax.study.spec.condition import Condition
from fusemax.study.spec.values import number_or_formula

MEASURES: Mapping[str, str] = {"energy_delay": "energy_J*latency_s", "power": "energy_J/latency_s"}


def with_free_tiles(program: Program, tiles: Iterable[str]) -> Program:
    """Return *program* with the named *tiles* as parameters, whatever rule the mapping gives them."""
    wanted = set(tiles)
    known = {line.label.tensor for line in program.labelled("tile")} | set(program.parameters)
    unknown = sorted(wanted - known)
    if unknown:
        there = ", ".join(sorted({line.label.tensor for line in program.labelled("tile")})) or "none"
        raise FusemaxError(f"tiles.{unknown[0]}: the mapping has no tile {unknown[0]!r}; there are: {there}")
    lines: list[Line] = []
    for line in program.lines:
        if line.label.kind != "tile" or line.label.tensor not in wanted:
            lines.append(line)
        elif line.name != line.label.tensor:
            lines.append(Line(line.name, symbol(line.label.tensor), line.label))
    return Program(parameters={**program.parameters, **dict.fromkeys(wanted)}, lines=tuple(lines))


def program_of(
    mapped: Mapped,
    machine: Machine,
    program: Program,
    given: Collection[str],
    formulas: Mapping[str, Expression],
    where: Mapping[int, Condition],
) -> Program:
    """Return *program* with the *formulas* of a study, its conditions, its measures and the ``verdict`` of each point.

    Rooflines of the units of *machine* stand among the measures.

    Parameters
    ----------
    given
        The names whose values stand on axes.
    formulas
        Sizes and figures that follow from others.
    where
        The conditions that are decided point by point, by their places in the part.

    Raises
    ------
    FusemaxError
        For sizes that nothing gives, tiles given as sizes, and formulas that cannot be worked out.
    ConditionError
        For a condition on what is not there.
    """
    left_open = [name for name, value in program.parameters.items() if value is None]
    check_not_given(mapped, {*given, *formulas}, left_open)
    named = {name: to_sympy(value) for name, value in formulas.items()}
    named |= _rank_sizes(mapped, program, {*given, *formulas})
    parameters = {**program.parameters, **dict.fromkeys(given)}
    parameters = {name: value for name, value in parameters.items() if name not in named}
    lines = [Line(name, value, Label("formula")) for name, value in named.items()]
    lines += [*_measures(program), *roofline_lines(program, machine)]
    known = {*parameters, *(line.name for line in (*lines, *program.lines))}
    lines += verdict_lines(mapped, program, [name for name in named if not is_figure(name)], where, known)
    missing = [name for name, value in parameters.items() if value is None and name not in given]
    if missing:
        raise FusemaxError(
            f"mapping {mapped.name} needs a size for {', '.join(sorted(missing))}\n  hint: give it under sizes or grid"
        )
    return Program(parameters=parameters, lines=_ordered(parameters, [*lines, *program.lines]))


def _rank_sizes(mapped: Mapped, program: Program, given: set[str]) -> dict[str, sympy.Expr]:
    """Return the sizes that the cascade gives itself (``R = 1``), or derives from others: ``H = G*K``, M1 from M and M0."""
    tiles = program.tiles_given()
    found: dict[str, sympy.Expr] = {
        name: sympy.Integer(value)
        for name, value in mapped.cascade.defaults.items()
        if name not in given and name not in tiles
    }
    known = {*given, *tiles, *found}
    while True:
        step = next(_derivable(mapped, known), None)
        if step is None:
            return found
        found[step[0]] = step[1]
        known.add(step[0])


def _derivable(mapped: Mapped, known: set[str]) -> Iterator[tuple[str, sympy.Expr]]:
    """Yield sizes that follow from the *known* ones, each with its formula."""
    for name, rank in mapped.cascade.ranks.items():
        if rank.size is None:
            continue
        size = to_sympy(rank.size)
        factors = sympy.Mul.make_args(size)
        unknown = [factor for factor in factors if str(factor) not in known]
        if name not in known and {str(used) for used in size.free_symbols} <= known:
            yield name, size
        elif name in known and len(unknown) == 1 and all(factor.is_Symbol for factor in factors):
            rest = sympy.Mul(*(factor for factor in factors if factor != unknown[0]))
            yield str(unknown[0]), ceildiv(symbol(name), rest)


def _measures(program: Program) -> list[Line]:
    known = {line.name for line in program.lines}
    found: list[Line] = []
    for name, text in MEASURES.items():
        expression = number_or_formula(name, text)
        value = expression if isinstance(expression, int | float) else to_sympy(expression)
        if {str(used) for used in value.free_symbols} <= known:  # type: ignore[union-attr]
            found.append(Line(name, value, Label("measure")))  # type: ignore[arg-type]
    return found


def _ordered(parameters: Iterable[str], lines: Sequence[Line]) -> tuple[Line, ...]:
    """Return *lines* so that each stands after what it needs, otherwise in their order."""
    done = set(parameters)
    ordered: list[Line] = []
    waiting = list(lines)
    while waiting:
        later: list[Line] = []
        for line in waiting:
            if line.needs() <= done:
                ordered.append(line)
                done.add(line.name)
            else:
                later.append(line)
        if len(later) == len(waiting):
            names = {line.name for line in later}
            lost = sorted({need for line in later for need in line.needs()} - done - names)
            circle = ", ".join(sorted(_circle(later))[:4])
            what = f"there is no {lost[0]!r}" if lost else f"{circle} need each other"
            raise FusemaxError(f"the formulas cannot be worked out: {what}")
        waiting = later
    return tuple(ordered)


def _circle(lines: Sequence[Line]) -> set[str]:
    """Return the names of *lines* that others of them need, and those others in turn."""
    names = {line.name for line in lines}
    while True:
        needed = {need for line in lines if line.name in names for need in line.needs()} & names
        if needed == names:
            return names
        names = needed
