"""Every figure of a machine by its full name, and where it stands in the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from fusemax.language.formula import formula, formula_names, substituted
from fusemax.language.syntax import Binary, Expression, Name
from fusemax.language.value import value_of
from fusemax.machine.parts import AccessEnergy, Level, Operation, Registers, Unit
from fusemax.machine.widths import cycles_at, width_name
from fusemax.quantity import quantity

#: The keys under which it stands, its full name, and its expression.
Figure = tuple[tuple[str | int, ...], str, Expression]


class Described(Protocol):
    """A machine, as far as its figures tell."""

    @property
    def clock(self) -> Expression:
        """Of every unit and port."""
        ...

    @property
    def graph_launch(self) -> Expression | None:
        """What a kernel takes in a recorded graph, beside its bytes."""
        ...

    @property
    def power(self) -> Expression | None:
        """What the whole board may take."""
        ...

    @property
    def levels(self) -> Mapping[str, Level]:
        """From the outside in."""
        ...

    @property
    def units(self) -> Mapping[str, Unit]:
        """By name."""
        ...

    @property
    def walked(self) -> tuple[Figure, ...]:
        """What :func:`walk_figures` returns of it, worked out once."""
        ...


def figures(machine: Described) -> dict[str, Expression]:
    """Return every figure of *machine* by its full name, as an expression of other full names.

    >>> from fusemax.machine import machine_of
    >>> from fusemax.source import document_of
    >>> text = "title: t\\nsource: s\\nclock: 1 GHz\\nword: 2 B\\nlevels: {DRAM: {bandwidth: 1 GB/s}}\\n"
    >>> text += "units: {alu: {shape: {lanes: 4}, operations: {mac: 1}}}\\n"
    >>> {name: str(value) for name, value in figures(machine_of(document_of(text))).items()}
    {'clock': '1000000000', 'word': '2', 'replicas': '1', 'launch': '0', 'DRAM.bandwidth': '1000000000',
     'alu.lanes': '4', 'alu.operations.mac': '1'}
    """
    return {name: expression for _, name, expression in machine.walked}


def figure_paths(machine: Described) -> dict[str, tuple[str | int, ...]]:
    """Return the keys under which each figure of *machine* stands in its file, by the figure's full name."""
    return {name: path for path, name, _ in machine.walked}


def figure_values(walked: Sequence[Figure], given: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the values of figures of which none needs itself; those that are *given* stand for what the machine says.

    >>> from fusemax.machine import load_machine
    >>> walked = load_machine("l40s")[0].walked
    >>> round(figure_values(walked)["DRAM.bandwidth"] / 1e9), figure_values(walked, {"DRAM.size": 1.0})["DRAM.size"]
    (787, 1.0)
    """
    known = dict(given or {})
    waiting = [(name, figure) for _, name, figure in walked if name not in known]
    while waiting:
        for name, figure in waiting:
            if all(used in known for used in formula_names(figure)):
                known[name] = value_of(figure, known)
        waiting = [entry for entry in waiting if entry[0] not in known]
    return known


def walk_figures(machine: Described) -> list[Figure]:
    """Return every figure of *machine*: the keys under which it stands, its full name, and its expression."""
    found: list[Figure] = []
    for name in ("clock", "word", "replicas", "launch"):
        found.append(((name,), name, substituted(getattr(machine, name), {})))
    for name in ("graph_launch", "power"):
        value = getattr(machine, name)
        if value is not None:
            found.append(((name,), name, substituted(value, {})))
    for name, level in machine.levels.items():
        found += _level_figures(name, level)
    for name, unit in machine.units.items():
        found += _unit_figures(name, unit)
    return found


LEVEL_FIGURES = (
    "size",
    "line",
    "bandwidth",
    "read_bandwidth",
    "write_bandwidth",
    "ports",
    "latency",
    "leakage",
    "shared_by",
)
DIVIDED_FIGURES = ("most", "step", "own", "beside")


def _level_figures(name: str, level: Level) -> list[Figure]:
    scope = {short: f"{name}.{short}" for short in LEVEL_FIGURES}
    found: list[Figure] = []
    for key in scope:
        value = getattr(level, key)
        if value is not None:
            found.append((("levels", name, key), f"{name}.{key}", substituted(value, scope)))
    if level.energy is not None:
        found += _energies(("levels", name, "energy"), name, level.energy, scope)
    if level.divided is not None:
        for key in DIVIDED_FIGURES:
            value = substituted(getattr(level.divided, key), scope)
            found.append((("levels", name, "divided", key), f"{name}.divided.{key}", value))
    for part, value in level.area.items():
        found.append((("levels", name, "area", part), f"{name}.area.{part}", substituted(value, scope)))
    return found


def _energies(
    path: tuple[str | int, ...], name: str, energy: AccessEnergy, scope: Mapping[str, str]
) -> list[Figure]:
    filled = {
        "read": energy.read,
        "write": energy.write,
        "fill": energy.write if energy.fill is None else energy.fill,
        "drain": energy.read if energy.drain is None else energy.drain,
    }
    return [
        ((*path, key), f"{name}.energy.{key}", substituted(value, scope)) for key, value in filled.items()
    ]


def _unit_figures(name: str, unit: Unit) -> list[Figure]:
    scope = {dimension: f"{name}.{dimension}" for dimension in unit.shape}
    lanes = " * ".join(f"{name}.{dimension}" for dimension in unit.shape)
    found: list[Figure] = []
    for dimension, size in unit.shape.items():
        found.append((("units", name, "shape", dimension), f"{name}.{dimension}", substituted(size, scope)))
    if "lanes" not in unit.shape:
        scope["lanes"] = f"{name}.lanes"
        found.append((("units", name, "shape"), f"{name}.lanes", substituted(formula(lanes, "1"), {})))
    for memory, described in unit.memories.items():
        own = {**scope, "depth": f"{name}.{memory}.depth"}
        found += _memory_figures(("units", name, "memories", memory), f"{name}.{memory}", described, own)
    if unit.registers is not None:
        scope["depth"] = f"{name}.registers.depth"
        found += _memory_figures(("units", name, "registers"), f"{name}.registers", unit.registers, scope)
    for operation, cost in unit.operations.items():
        found += _operation_figures(name, unit, operation, cost, scope)
    for table, label in ((unit.energy, "energy"), (unit.area, "area")):
        for key, value in table.items():
            found.append((("units", name, label, key), f"{name}.{label}.{key}", substituted(value, scope)))
    for key in ("fill", "drain", "clock", "leakage", "sustained", "accumulator"):
        value = getattr(unit, key)
        if value is not None:
            value = substituted(value, scope)
            value = _machine_cycles(name, unit, value) if key in ("fill", "drain") else value
            found.append((("units", name, key), f"{name}.{key}", value))
    return found


def _operation_figures(
    name: str, unit: Unit, operation: str, cost: Operation, scope: Mapping[str, str]
) -> list[Figure]:
    path: tuple[str | int, ...] = ("units", name, "operations", operation)
    own = f"{name}.operations.{operation}"
    if not cost.widths:
        return [(path, own, _machine_cycles(name, unit, substituted(cost.cycles, scope)))]
    return [
        *(
            (
                (*path, key),
                f"{own}.{width_name(key)}",
                _machine_cycles(name, unit, substituted(cycles, scope)),
            )
            for key, cycles in cost.widths.items()
        ),
        (path, own, cycles_at(width_entries(own, cost), Name("word"))),
    ]


def width_entries(figure: str, operation: Operation) -> list[tuple[float, Expression]]:
    """Return the widths of *operation* in bytes, each with the name of the figure that holds its cycles."""
    return [(quantity(key, "B"), Name(f"{figure}.{width_name(key)}")) for key in operation.widths]


def _memory_figures(
    path: tuple[str, ...], name: str, memory: Registers, scope: Mapping[str, str]
) -> list[Figure]:
    found: list[Figure] = [((*path, "depth"), f"{name}.depth", substituted(memory.depth, scope))]
    if memory.word is not None:
        found.append(((*path, "word"), f"{name}.word", substituted(memory.word, scope)))
    if memory.energy is not None:
        found += _energies((*path, "energy"), name, memory.energy, scope)
    return found


def _machine_cycles(name: str, unit: Unit, cycles: Expression) -> Expression:
    """Return *cycles* of a unit with a clock of its own in cycles of the machine."""
    if unit.clock is None:
        return cycles
    return Binary("*", cycles, Binary("/", Name("clock"), Name(f"{name}.clock")))
