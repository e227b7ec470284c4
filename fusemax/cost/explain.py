"""Where a number of a cost comes from: its formula with values, step by step, down to sizes and figures of the machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy

from fusemax.cost.functions import greatest, least
from fusemax.cost.program import FitRule, Label, Line, Program
from fusemax.cost.roofline import roofline_lines
from fusemax.cost.symbols import symbol
from fusemax.errors import FusemaxError
from fusemax.language.figure import figure_kind, is_figure
from fusemax.machine import Machine
from fusemax.nearest import meant
from fusemax.quantity import format_quantity

#: What people say for the totals.
TOTALS: Mapping[str, str] = {
    "latency": "latency_s", "bound": "bound_s", "traffic": "traffic_B", "energy": "energy_J", "area": "area_m2",
}  # fmt: skip
UNITS = ("s", "B", "J", "m2")
_NAMES = {"greatest": "max", "least": "min", "root2": "sqrt"}


@dataclass(frozen=True, slots=True)
class Step:
    """One number: its formula (empty for a size or a figure), its value, and how far it is from the number asked for.

    ``chosen`` names the operand that a largest or a smallest takes.
    """

    name: str
    formula: str
    value: float
    depth: int
    chosen: str = ""

    @property
    def shown(self) -> str:
        """The value as people write it."""
        return shown(self.name, self.value)


def explained(
    program: Program,
    values: Mapping[str, float],
    parameters: Mapping[str, float],
    number: str,
    machine: Machine | None = None,
) -> tuple[Step, ...]:
    """Return the steps from *number* down, each once, where it is first needed.

    Parameters
    ----------
    values, parameters
        Of every line and of every size and figure at the point, in SI units.
    number
        The name of a line (``latency_s``, ``cycles[2d,BQK]``), of a total in short (``latency``), of a figure
        (``DRAM.bandwidth``), a column of a study (``area_2d_m2``), or words of lines of one kind, which are added up
        (``L3.read``).
    machine
        With it, numbers of its roofline are known too (``speed[2d]``).

    Raises
    ------
    FusemaxError
        For a name that means no number, or several kinds of them.
    """
    program, known = _extended(program, {**parameters, **values}, machine)
    lines = {line.name: line for line in program.lines}
    found = _meant(number, program, parameters)
    if isinstance(found, str):
        return tuple(_steps(found, 0, lines, known, set()))
    total = sum(known[line.name] for line in found)
    seen: set[str] = set()
    steps = [Step(number, " + ".join(line.name for line in found), total, 0)]
    for line in found:
        steps += _steps(line.name, 1, lines, known, seen)
    return tuple(steps)


def _extended(
    program: Program, known: Mapping[str, float], machine: Machine | None
) -> tuple[Program, dict[str, float]]:
    """Return *program* with the lines that studies and rooflines make of its own, and all values."""
    names = {*known, *(line.name for line in program.lines)}
    energy, latency = symbol("energy_J"), symbol("latency_s")
    more = [*(roofline_lines(program, machine) if machine else ())]
    if {"energy_J", "latency_s"} <= names:
        more += [
            Line("energy_delay", energy * latency, Label("energy_delay")),
            Line("power", energy / latency, Label("power")),
        ]
    found, kept = dict(known), []
    for line in more:
        value = line.value
        used = {} if isinstance(value, FitRule) else {one: str(one) for one in value.free_symbols}
        if isinstance(value, FitRule) or line.name in names or not set(used.values()) <= found.keys():
            continue
        at = value.subs({one: found[name] for one, name in used.items()})
        if at.is_finite:  # there is no intensity without traffic
            found[line.name] = float(sympy.Float(at))
            kept.append(line)
    return replace(program, lines=(*program.lines, *kept)), found


def _of_column(number: str, program: Program) -> tuple[Line, ...]:
    """Return the lines that make up the column *number* of a study: ``area_2d_m2``, ``energy_registers_J``."""
    if number == "energy_registers_J":
        return tuple(
            line for line in program.labelled("component_energy") if line.label.action == "registers"
        )
    for kind, begin, end in (("time", "time_", "_s"), ("component_area", "area_", "_m2")):
        if number.startswith(begin) and number.endswith(end):
            place = number.removeprefix(begin).removesuffix(end)
            return tuple(
                line for line in program.labelled(kind) if place in (line.label.unit, line.label.level)
            )
    return ()


def _meant(number: str, program: Program, parameters: Mapping[str, float]) -> str | tuple[Line, ...]:
    """Return the name of the line or parameter that *number* means, or the lines of one kind that it adds up."""
    names = {line.name for line in program.lines}
    column = f"utilization[{number.removeprefix('utilization_')}]"
    for name in (number, TOTALS.get(number, ""), column):
        if name in names or name in parameters:
            return name
    if number in (*TOTALS, *TOTALS.values()):
        lacking = ", ".join(program.missing.get(number.partition("_")[0], ())) or "what it needs"
        raise FusemaxError(f"{number} is not known: the machine lacks {lacking}")
    if column_of := _of_column(number, program):
        return column_of
    parts = number.split(".")
    found = tuple(line for line in program.lines if set(parts) <= _about(line))
    kinds = dict.fromkeys(line.label.kind for line in found)
    if len(kinds) == 1:
        return found
    if found:
        listed = ", ".join(line.name for line in found[:12]) + (", ..." if len(found) > 12 else "")
        raise FusemaxError(f"{number} may mean several numbers\n  hint: say which: {listed}")
    near = meant(number, [*TOTALS, *TOTALS.values(), *parameters, *names])
    if near.startswith("there are"):
        near = (
            f"there are: {', '.join(TOTALS.values())}, figures such as clock, and all that --formulas prints"
        )
    raise FusemaxError(f"a cost has no number {number!r}\n  hint: {near}")


def _about(line: Line) -> set[str]:
    label = line.label
    return {label.kind, label.nest, label.unit, label.level, label.einsum, label.tensor, label.action} - {""}


def _steps(
    name: str, depth: int, lines: Mapping[str, Line], known: Mapping[str, float], seen: set[str]
) -> Iterator[Step]:
    if name in seen:
        return
    seen.add(name)
    line = lines.get(name)
    if line is None:
        yield Step(name, "", known[name], depth)
        return
    is_number = not isinstance(line.value, FitRule) and bool(line.value.is_number)
    yield Step(name, "" if is_number else formula_text(line), known[name], depth, _chosen(line, known))
    for need in _needs(line):
        yield from _steps(need, depth + 1, lines, known, seen)


def _needs(line: Line) -> Sequence[str]:
    """Return what a line is computed from, in the order of its text."""
    text = formula_text(line)
    return sorted(line.needs(), key=lambda name: (text.find(name), name))


def _chosen(line: Line, known: Mapping[str, float]) -> str:
    """Return the operand that a line takes whose formula is the largest or the smallest of some."""
    value: Any = line.value
    if not isinstance(value, greatest | least):
        return ""
    best = known[line.name]
    for operand in value.args:
        at = operand.subs({symbol(str(free)): known[str(free)] for free in operand.free_symbols})
        if at.is_number and math.isclose(float(sympy.Float(at)), best, rel_tol=1e-9):
            return _text(operand)
    return ""


def formula_text(line: Line) -> str:
    """Return the formula of *line* as people write it.

    >>> from fusemax.cost.program import Label
    >>> formula_text(Line("t", greatest(symbol("a"), symbol("b")/3), Label("t")))
    'max(a, b/3)'
    """
    value = line.value
    if isinstance(value, FitRule):
        kind = {"divisors": "divisor of", "power_of_two": "power of two up to", "any": "number up to"}[
            value.kind
        ]
        fits = f"{_text(value.footprint)} <= {_text(value.capacity)}"
        return f"the largest {kind} {_text(value.count)} with which {fits}"
    return _text(value)


class _Printer(sympy.printing.StrPrinter):
    def _print_Function(self, expr: Any) -> str:  # noqa: N802 - sympy's name
        name = expr.func.__name__
        if name == "ceildiv":
            return f"ceil({self._print(expr.args[0] / expr.args[1])})"
        if name == "repeated":
            times, many, once = (self._print(operand) for operand in expr.args)
            return f"({many} if {times} > 1 else {once})"
        return f"{_NAMES.get(name, name)}({', '.join(self._print(operand) for operand in expr.args)})"

    def _print_Float(self, expr: Any) -> str:  # noqa: N802
        return repr(float(expr))

    def _print_Rational(self, expr: Any) -> str:  # noqa: N802
        return super()._print_Rational(expr) if expr.q < 10**6 else repr(float(expr))


def _text(value: Any) -> str:
    return _Printer().doprint(value)


def shown(name: str, value: float) -> str:
    """Return *value* of the line or parameter *name* as people write it.

    >>> shown("latency_s", 4.64068e-4), shown("cycles[2d,BQK]", 196608.0), shown("L3.size", 2.0**24)
    ('464.07 us', '196,608', '16 MiB')
    """
    stem, _, inside = name.partition("[")
    unit = stem.rpartition("_")[2] if "_" in stem else ""
    if not inside and is_figure(name):
        unit = figure_kind(name).unit
    if unit in (*UNITS, "B/s", "Hz"):
        return format_quantity(value, unit, 5)
    if stem in ("utilization", "activity"):
        return f"{value:.2%}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.6g}"
