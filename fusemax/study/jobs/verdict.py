"""The verdict on a point: whether conditions leave it, whether all has room, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sympy

from fusemax.cost.program import Label, Line, Program
from fusemax.cost.symbols import at_most, equal, floor, less, symbol, to_sympy
from fusemax.errors import FusemaxError
from fusemax.mapping.names import names_together
from fusemax.mapping.nest import Mapped
from fusemax.nearest import nearest
from fusemax.study.spec.condition import Condition
from fusemax.study.spec.values import number_or_formula

ONE = sympy.Integer(1)


UNFIT, VERDICT = (
    "unfit",
    "verdict",
)  #: the lines that say, in bits, why a point cannot be run, and whether it can


class ConditionError(FusemaxError):
    """A condition that names what is not there; ``number`` is its place among those of the part."""

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        super().__init__(text)


def verdict_lines(
    mapped: Mapped, program: Program, sizes: Iterable[str], where: Mapping[int, Condition], known: set[str]
) -> list[Line]:
    """Return the lines that say of each point which conditions hold, what has no room, in bits, and the verdict."""
    holds = [
        Line(f"holds[{n}]", _condition(n, condition, known), Label(VERDICT)) for n, condition in where.items()
    ]
    fits = [_whole(f"fits[{name}]", name) for name in sizes]
    fits += [_whole(f"fits[{line.name}]", line.name) for line in program.labelled("tile")]
    fits += [_whole(f"fits[{line.name}]", line.name) for line in program.labelled("groups")]
    for line in program.labelled("beside"):
        most: Any = at_most(symbol(line.name), symbol(f"{line.label.level}.shared_by"))
        fits.append(Line(f"fits[{line.name}]", most, Label(VERDICT)))
    for line in program.labelled("occupancy"):
        if not mapped.spill.get(line.label.level):
            place = f"[{line.label.nest},{line.label.level}]"
            room: Any = at_most(symbol(line.name), symbol(f"capacity_B{place}"))
            fits.append(Line(f"fits{place}", room, Label(VERDICT)))
    fits += _equal_lengths(mapped, program, known)
    verdict = _all(holds) * (1 + _all(fits))
    lost = [2**number * (1 - symbol(line.name)) for number, line in enumerate(fits)]
    return [
        *holds,
        *fits,
        Line(UNFIT, sympy.Add(*lost), Label(VERDICT)),
        Line(VERDICT, verdict, Label(VERDICT)),
    ]


def _equal_lengths(mapped: Mapped, program: Program, known: set[str]) -> list[Line]:
    """Return the lines that say whether ranks whose names stand together are equally long; not those that tiles make."""
    there = known - program.tiles_given()
    return [
        Line(f"fits[{names}]", equal(*map(symbol, names.ranks)), Label(VERDICT, tensor=names.tensor))
        for names in names_together(mapped)
        if there.issuperset(names.ranks)
    ]


def _whole(line: str, name: str) -> Line:
    return Line(line, equal(symbol(name), floor(symbol(name))) * at_most(ONE, symbol(name)), Label(VERDICT))


def _all(lines: Sequence[Line]) -> sympy.Expr:
    return sympy.Mul(*(symbol(line.name) for line in lines))


def _by_bit(program: Program) -> list[Line]:
    """Return the lines that say what fits in a *program*, in the order of their bits in the line ``unfit``."""
    lines = program.labelled(VERDICT)
    bits = {line.name: line.value for line in lines if isinstance(line.value, sympy.Expr)}.get(
        UNFIT, sympy.Integer(0)
    )
    fits = (line for line in lines if line.name.startswith("fits["))
    return sorted(fits, key=lambda line: float(-bits.diff(symbol(line.name))))


def reasons_of(program: Program) -> tuple[str, ...]:
    """Return what each bit of the line ``unfit`` of a *program* means, in words."""
    found: list[str] = []
    tiles = {line.name: line.label for line in program.labelled("tile")}
    groups = {line.name: line.label for line in (*program.labelled("groups"), *program.labelled("beside"))}
    for line in _by_bit(program):
        name = line.name.removeprefix("fits[").removesuffix("]")
        nest, _, level = name.rpartition(",")
        if line.label.tensor:
            found.append(f"{name}, of ranks that are not equally long")
        elif name in tiles:
            found.append(f"tile {tiles[name].tensor} of nest {tiles[name].nest} is no whole number from 1")
        elif name in groups and not groups[name].nest:
            found.append(
                f"{groups[name].level} is shared by a number of cores that does not divide all of them"
            )
        elif name in groups:
            said = f"nest {groups[name].nest} has more iterations side by side"
            found.append(f"{said} than cores share {groups[name].level}")
        elif nest:
            found.append(f"{level} is too small in nest {nest}")
        else:
            found.append(f"{name} is no whole number of at least 1")
    return tuple(found)


def _condition(number: int, condition: Condition, known: set[str]) -> sympy.Expr:
    sides: list[sympy.Expr] = []
    for text in (condition.name, condition.value):
        value = number_or_formula("where", text)
        sides.append(sympy.Float(value, 17) if isinstance(value, int | float) else to_sympy(value))
    unknown = sorted({str(used) for side in sides for used in side.free_symbols} - known)
    if unknown:
        near = nearest(unknown[0], known)
        hint = f"\n  hint: did you mean {near!r}?" if near else ""
        said = f"{unknown[0]!r} is no size, figure or label that is given here, and no output"
        raise ConditionError(number, said + hint)
    left, right = sides
    return COMPARISONS[condition.comparison](left, right)


COMPARISONS: Mapping[str, Any] = {
    "<=": at_most, "<": less, "==": equal, "!=": lambda a, b: equal(equal(a, b), sympy.Integer(0)),
    ">=": lambda a, b: at_most(b, a), ">": lambda a, b: less(b, a),
}  # fmt: skip
