"""From a part of a study to a grid: its axes, the formulas between its names, and what marks a point.

Every point gets a ``verdict``: 0 where a condition leaves it out, 1 where its tiles do not fit, 2 where all is well, and -1
where a formula makes a size that is no whole number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy

from fusemax.cost.program import Label, Line, Program
from fusemax.cost.symbols import at_most, ceildiv, equal, floor, less, symbol, to_sympy
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Expression
from fusemax.mapping.nest import Mapped
from fusemax.nearest import nearest
from fusemax.study.spec import Condition, StudyPart
from fusemax.study.values import is_whole, number_or_formula, numbers

ONE = sympy.Integer(1)
TILES, SHAPE = "tiles.", ".shape"
SHORT: Mapping[str, str] = {
    "latency": "latency_s", "energy": "energy_J", "area": "area_m2", "traffic": "traffic_B",
}  # fmt: skip
MEASURES: Mapping[str, str] = {"energy_delay": "energy_J*latency_s", "power": "energy_J/latency_s"}
UNFIT = "unfit"  #: the line that says, in bits, what does not fit
BREAKDOWN = ("cycles", "activity", "words", "time", "component_energy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: the names that change along it, their values, and the names of its points where it is a table."""

    names: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    label: str = ""
    labels: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """The number of points on the axis."""
        return len(self.values[0]) if self.values else max(len(self.labels), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a part says about its points: axes, single values, and formulas of other names."""

    axes: tuple[Axis, ...]
    fixed: Mapping[str, float]
    formulas: Mapping[str, Expression]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that is given, in the order of the study."""
        swept = [name for axis in self.axes for name in axis.names]
        return tuple(dict.fromkeys([*swept, *self.fixed, *self.formulas]))


def layout_of(part: StudyPart, figures: Mapping[str, Any], shapes: Mapping[str, Sequence[str]]) -> Layout:
    """Return the layout of *part*; *figures* are those of the configuration, *shapes* the dimensions of each unit."""
    fixed: dict[str, float] = {}
    formulas: dict[str, Expression] = {}
    axes = [_table_axis(name, rows) for name, rows in part.tables.items()]
    single: dict[str, Axis] = {}
    for name, value in [*part.sizes.items(), *figures.items(), *part.grid.items()]:
        if name in single:
            raise FusemaxError(f"{name} stands both among the sizes and in the grid")
        if isinstance(value, list | Mapping):
            single[name] = _axis(name, value, shapes)
            continue
        for inner in _expanded(name, shapes):
            found = number_or_formula(inner, value)
            (fixed if isinstance(found, int | float) else formulas)[inner] = found  # type: ignore[assignment]
    axes += _zipped(part, single)
    layout = Layout(axes=tuple(axes) or (Axis(names=(), values=()),), fixed=fixed, formulas=formulas)
    given = [*fixed, *formulas, *(name for axis in axes for name in axis.names)]
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise FusemaxError(f"{', '.join(twice)} is given twice")
    _refuse_fractions(fixed)
    return layout


def _refuse_fractions(fixed: Mapping[str, float]) -> None:
    for name, value in fixed.items():
        if is_whole(name) and (value < 1 or value != int(value)):
            raise FusemaxError(f"{name}: expected a whole number of at least 1, got {value:g}")


def _expanded(name: str, shapes: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the parameters that *name* stands for: ``2d.shape`` for all dimensions of the unit, ``tiles.P1`` for P1."""
    if name.startswith(TILES):
        return (name.removeprefix(TILES),)
    if not name.endswith(SHAPE):
        return (name,)
    unit = name.removesuffix(SHAPE)
    if unit not in shapes:
        raise FusemaxError(f"{name}: the machine has no unit {unit!r}; there are: {', '.join(shapes)}")
    return tuple(f"{unit}.{dimension}" for dimension in shapes[unit])


def _axis(name: str, value: Any, shapes: Mapping[str, Sequence[str]]) -> Axis:
    names = _expanded(name, shapes)
    if isinstance(value, list) and all(isinstance(entry, list) for entry in value) and len(names) > 1:
        wrong = [entry for entry in value if len(entry) != len(names)]
        if wrong:
            raise FusemaxError(
                f"{name}: expected {len(names)} numbers ({', '.join(names)}), got {wrong[0]!r}"
            )
        columns = tuple(
            tuple(number_or_formula(inner, entry[position]) for entry in value)
            for position, inner in enumerate(names)
        )
        return Axis(names=names, values=columns)  # type: ignore[arg-type]
    return Axis(names=names, values=tuple(numbers(inner, value) for inner in names))


def _table_axis(table: str, rows: Mapping[str, Mapping[str, Any]]) -> Axis:
    if not rows:
        raise FusemaxError(f"table {table} has no rows")
    names = tuple(next(iter(rows.values())))
    for label, row in rows.items():
        if tuple(sorted(row)) != tuple(sorted(names)):
            raise FusemaxError(
                f"table {table}: row {label} gives {', '.join(row)}, but the first row {', '.join(names)}"
                "\n  hint: with a grid, all rows of a table give the same names"
            )
    columns = tuple(tuple(numbers(name, row[name])[0] for row in rows.values()) for name in names)
    return Axis(names=names, values=columns, label=table, labels=tuple(str(label) for label in rows))


def _zipped(part: StudyPart, single: Mapping[str, Axis]) -> list[Axis]:
    """Return the axes in the order of the study, those of each ``zip`` group as one where its first name stands."""
    for group in part.zip:
        unknown = [name for name in group if name not in single]
        if unknown:
            raise FusemaxError(
                f"zip: {unknown[0]!r} is no list or range of this part; there are: {', '.join(single)}"
            )
        lengths = {name: single[name].length for name in group}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise FusemaxError(f"zipped entries differ in length: {listed}")
    grouped = [name for group in part.zip for name in group]
    if len(set(grouped)) < len(grouped):
        raise FusemaxError("zip: a name stands in two groups")
    axes: list[Axis] = []
    for name in single:
        group = next((g for g in part.zip if name in g), [name])
        members = [single[member] for member in group]
        if name == group[0]:
            axes.append(
                Axis(
                    names=tuple(n for member in members for n in member.names),
                    values=tuple(v for member in members for v in member.values),
                )
            )
    return axes


# --- the program of a grid


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


def program_of(mapped: Mapped, program: Program, layout: Layout, where: Sequence[Condition]) -> Program:
    """Return *program* with the layout's values and formulas, the conditions and the ``verdict`` of each point."""
    formulas = {name: to_sympy(value) for name, value in layout.formulas.items()}
    given = {**dict.fromkeys(layout.names), **layout.fixed}
    formulas |= _rank_sizes(mapped, program, {*given})
    parameters = {**program.parameters, **given}
    parameters = {name: value for name, value in parameters.items() if name not in formulas}
    lines = [Line(name, value, Label("formula")) for name, value in formulas.items()]
    lines += _measures(program)
    known = {*parameters, *(line.name for line in (*lines, *program.lines))}
    lines += _verdict(mapped, program, [name for name in formulas if is_whole(name)], where, known)
    ordered = _ordered(parameters, [*lines, *program.lines])
    swept = {name for axis in layout.axes for name in axis.names}
    missing = [name for name, value in parameters.items() if value is None and name not in swept]
    if missing:
        raise FusemaxError(
            f"mapping {mapped.name} needs a value for {', '.join(missing)}\n  hint: give it under sizes or grid"
        )
    return Program(parameters=parameters, lines=ordered)


def _rank_sizes(mapped: Mapped, program: Program, given: set[str]) -> dict[str, sympy.Expr]:
    """Return the sizes that the cascade gives itself (``R = 1``), or derives from others: ``H = G*K``, M1 from M and M0."""
    tiles = {line.label.tensor for line in program.labelled("tile")}
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


def _verdict(
    mapped: Mapped, program: Program, sizes: Iterable[str], where: Sequence[Condition], known: set[str]
) -> list[Line]:
    label = Label("verdict")
    lines = [
        Line(f"holds[{number}]", _condition(condition, known), label)
        for number, condition in enumerate(where)
    ]
    for name in sizes:
        whole: Any = equal(symbol(name), floor(symbol(name)))
        value = whole * at_most(ONE, symbol(name))
        lines.append(Line(f"whole[{name}]", value, label))
    for line in program.labelled("tile"):
        whole = equal(symbol(line.name), floor(symbol(line.name))) * at_most(ONE, symbol(line.name))
        lines.append(Line(f"fits[{line.name}]", whole, label))
    for line in program.labelled("occupancy"):
        if not mapped.spill.get(line.label.level):
            place = f"[{line.label.nest},{line.label.level}]"
            fits: Any = at_most(symbol(line.name), symbol(f"capacity_B{place}"))
            lines.append(Line(f"fits{place}", fits, label))
    factors = {
        kind: sympy.Mul(*(symbol(line.name) for line in lines if line.name.startswith(kind)))
        for kind in ("holds", "whole", "fits")
    }
    verdict = factors["holds"] * (factors["whole"] * (2 + factors["fits"]) - 1)
    lost = [
        2**number * (1 - symbol(line.name))
        for number, line in enumerate(line for line in lines if line.name.startswith("fits"))
    ]
    return [*lines, Line(UNFIT, sympy.Add(*lost), label), Line("verdict", verdict, label)]


def reasons_of(program: Program) -> tuple[str, ...]:
    """Return what each bit of the line ``unfit`` of a grid's *program* means, in words."""
    found: list[str] = []
    tiles = {line.name: line.label for line in program.labelled("tile")}
    for line in program.labelled("verdict"):
        name = line.name.removeprefix("fits[").removesuffix("]")
        if line.name.startswith("fits[") and name in tiles:
            label = tiles[name]
            found.append(f"tile {label.tensor} of nest {label.nest} is no whole number from 1")
        elif line.name.startswith("fits["):
            nest, _, level = name.rpartition(",")
            found.append(f"{level} is too small in nest {nest}")
    return tuple(found)


def _condition(condition: Condition, known: set[str]) -> sympy.Expr:
    sides = []
    for text in (condition.name, condition.value):
        value = number_or_formula("where", text)
        sides.append(sympy.Float(value, 17) if isinstance(value, int | float) else to_sympy(value))
    unknown = {str(used) for side in sides for used in side.free_symbols} - known
    if unknown:
        name = sorted(unknown)[0]
        near = nearest(name, known)
        hint = f"\n  hint: did you mean {near!r}?" if near else ""
        raise FusemaxError(f"where: {name!r} is no size, figure or output of this part{hint}")
    left, right = sides
    return COMPARISONS[condition.comparison](left, right)


COMPARISONS: Mapping[str, Any] = {
    "<=": at_most, "<": less, "==": equal, "!=": lambda a, b: equal(equal(a, b), sympy.Integer(0)),
    ">=": lambda a, b: at_most(b, a), ">": lambda a, b: less(b, a),
}  # fmt: skip


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
            raise FusemaxError(f"the formulas of the grid cannot be worked out: {what}")
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
