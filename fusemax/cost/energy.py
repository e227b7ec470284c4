"""Energy by component and area by component, as formulas.

Energy: each operation's actions at the unit's energy per action; register files (:mod:`fusemax.cost.registers`); each line of
a level at the level's energy for its kind of access. A machine that gives no energy for a part simply has no line for it, and
then no total.
"""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from fusemax.cost.counts import Move, NestCounts
from fusemax.cost.jobs import Job
from fusemax.cost.program import Label, Writer
from fusemax.cost.registers import write_registers
from fusemax.cost.symbols import groups_of, symbol, to_sympy
from fusemax.machine import Machine
from fusemax.mapping.nest import Mapped

ZERO, ONE = sympy.Integer(0), sympy.Integer(1)


def write_energy(
    writer: Writer, machine: Machine, mapped: Mapped, nests: Sequence[tuple[NestCounts, Sequence[Move]]],
    latency: sympy.Expr,
) -> tuple[str, ...]:  # fmt: skip
    """Write the energy of every component in joules, ``energy_J`` when all of them are known, and the most that a board takes.

    Return the names of the figures that the machine lacks for the total.
    """
    jobs = [job for counts, _ in nests for job in counts.jobs]
    moves = [move for _, nest_moves in nests for move in nest_moves]
    parts = [*_actions(writer, machine, jobs), *write_registers(writer, machine, mapped, nests)]
    parts += _levels(writer, machine, mapped, moves)
    parts += _leakage(writer, machine, latency)
    missing = missing_energies(machine, mapped, jobs, moves)
    if not missing:
        writer.add("energy_J", sympy.Add(*parts), Label("energy"))
    if machine.power is not None:
        writer.add("energy_most_J", symbol("power") * latency, Label("energy_most"))
    return missing


def missing_energies(
    machine: Machine, mapped: Mapped, jobs: Sequence[Job], moves: Sequence[Move]
) -> tuple[str, ...]:
    """Return the figures without which the total energy is not known."""
    missing = [
        f"{job.unit}.energy.{action}"
        for job in jobs
        for action in machine.units[job.unit].operations[job.operation].actions
        if action not in machine.units[job.unit].energy
    ]
    levels = {move.level for move in moves if move.level in machine.levels}
    missing += [f"{level}.energy" for level in levels if machine.levels[level].energy is None]
    return tuple(dict.fromkeys(missing))


def _actions(writer: Writer, machine: Machine, jobs: Sequence[Job]) -> list[sympy.Expr]:
    totals: dict[tuple[str, str], list[sympy.Expr]] = {}
    for job in jobs:
        unit = machine.units[job.unit]
        for action, times in unit.operations[job.operation].actions.items():
            if action in unit.energy:
                key = (job.unit, action)
                totals.setdefault(key, []).append(job.points * to_sympy(times))
    return [
        writer.add(
            f"energy_J[{unit},{action}]",
            sympy.Add(*counts) * symbol(f"{unit}.energy.{action}"),
            Label("component_energy", unit=unit, action=action),
        )
        for (unit, action), counts in totals.items()
    ]


def _levels(writer: Writer, machine: Machine, mapped: Mapped, moves: Sequence[Move]) -> list[sympy.Expr]:
    parts: list[sympy.Expr] = []
    for name, level in machine.levels.items():
        if level.energy is None:
            continue
        costs: list[sympy.Expr] = []
        for move in moves:
            if move.level == name:
                word = mapped.words.get(move.tensor)
                size = symbol("word") if word is None else to_sympy(word)
                energy_J = symbol(f"{name}.energy.{move.kind}")
                costs.append(move.words * size / symbol(f"{name}.line") * energy_J)
        total = sympy.Add(*costs)
        if total != 0:
            parts.append(writer.add(f"energy_J[{name}]", total, Label("component_energy", level=name)))
    return parts


def _leakage(writer: Writer, machine: Machine, latency: sympy.Expr) -> list[sympy.Expr]:
    """Write what leaks during *latency*: of every core's units and own levels, and of the levels that they share."""
    cores = symbol("replicas")
    leaks = [
        (Label("component_energy", unit=n, action="leakage"), n, cores)
        for n, u in machine.units.items()
        if u.leakage
    ]
    leaks += [
        (Label("component_energy", level=name, action="leakage"), name, _copies(machine, name))
        for name, level in machine.levels.items()
        if level.leakage
    ]
    return [
        writer.add(f"energy_J[{name},leakage]", symbol(f"{name}.leakage") * times * latency, label)
        for label, name, times in leaks
    ]


def _copies(machine: Machine, level: str) -> sympy.Expr:
    """Return how many of *level* there are: one, or one for each core or group of them."""
    if machine.of_groups(level):
        return groups_of(level)
    return symbol("replicas") if machine.levels[level].per_core else ONE


def write_area(writer: Writer, machine: Machine) -> tuple[str, ...]:
    """Write the area of every component in square metres, and ``area_m2`` when all of them are known.

    Every core has all units and all levels ``per_core``: their parts count ``replicas`` times; those of a level that groups of
    cores share as often as there are groups. Return the names of the figures
    that the machine lacks for the total. The outermost level is not on the chip.
    """
    cores = symbol("replicas")
    parts = [
        (Label("component_area", unit=name), name, unit.area, cores) for name, unit in machine.units.items()
    ]
    parts += [
        (Label("component_area", level=name), name, level.area, _copies(machine, name))
        for name, level in machine.levels.items()
        if name != machine.outermost or level.area
    ]
    total: sympy.Expr = ZERO
    for label, name, area, times in parts:
        if area:
            value = times * sum((symbol(f"{name}.area.{key}") for key in area), ZERO)
            total += writer.add(f"area_m2[{name}]", value, label)
    missing = tuple(f"{name}.area" for _, name, area, _ in parts if not area)
    if not missing:
        writer.add("area_m2", total, Label("area"))
    return missing
