"""The clock that a chip holds under a load: the dynamic power of a unit that works all the time is all that its board gives.

A unit's ``sustained`` is the clock at which every one of its lanes can work in every cycle. Dynamic power goes with activity,
frequency and the square of the voltage; voltage goes with frequency, so that power goes with the frequency's third power
(Mudge, Power: a first-class architectural design constraint, Computer 34(4), 2001). A load that keeps a part u of the lanes
busy at full clock runs at ``min(clock, sustained * u**(-1/3))``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import sympy

from fusemax.cost.program import FitRule, Label, Line, Program
from fusemax.cost.symbols import greatest, least, symbol
from fusemax.machine import Machine

CLOCK, HELD = "clock", "clock_held"
#: Of a unit that does nothing: against a division by zero.
LEAST_ACTIVITY = sympy.Rational(1, 10**6)


def at_held_clock(program: Program, machine: Machine) -> Program:
    """Return *program* at the clock that *machine* holds under its load; itself where nothing limits the clock."""
    limited = [name for name, unit in machine.units.items() if unit.sustained is not None]
    if not limited:
        return program
    late = _after_clock(program)
    names = {line.name: f"full:{line.name}" for line in program.lines if line.name in late}
    busy = {unit: _activity(machine, unit) for unit in limited}
    wanted = {name for parts in busy.values() for name in parts}
    full = [_renamed(line, names) for line in program.needed(wanted) if line.name in late]
    clocks = [
        symbol(f"{unit}.sustained")
        / greatest(LEAST_ACTIVITY, sum((symbol(names.get(n, n)) for n in parts), sympy.Integer(0)))
        ** sympy.Rational(1, 3)
        for unit, parts in busy.items()
    ]
    held: sympy.Expr = symbol(CLOCK)
    for clock in clocks:
        held = least(held, clock)
    early = [line for line in program.lines if line.name not in late]
    at: dict[sympy.Expr, sympy.Expr] = {symbol(CLOCK): symbol(HELD)}
    return replace(
        program,
        lines=(
            *early, *full, Line(HELD, held, Label("clock")),
            *(_replaced(line, at) for line in program.lines if line.name in late),
        ),
    )  # fmt: skip


def _activity(machine: Machine, unit: str) -> list[str]:
    """Return the lines of the part of its lanes that *unit* keeps busy, under all of its names."""
    return [f"utilization[{name}]" for name in machine.units if machine.physical(name) == unit]


def _after_clock(program: Program) -> Collection[str]:
    """Return the lines that the clock reaches."""
    reached: set[str] = set()
    for line in program.lines:
        needs = line.needs()
        if CLOCK in needs or not reached.isdisjoint(needs):
            reached.add(line.name)
    return reached


def _renamed(line: Line, names: Mapping[str, str]) -> Line:
    found = _replaced(line, {symbol(old): symbol(new) for old, new in names.items() if old in line.needs()})
    return replace(found, name=names[line.name], label=Label("full", action=names[line.name]))


def _replaced(line: Line, values: Mapping[sympy.Expr, sympy.Expr]) -> Line:
    value = line.value
    if isinstance(value, FitRule):
        parts: Iterable[str] = ("count", "footprint", "capacity")
        return replace(
            line, value=replace(value, **{part: getattr(value, part).xreplace(values) for part in parts})
        )
    return replace(line, value=value.xreplace(values))


__all__ = ["HELD", "at_held_clock"]
