"""Machines: memory levels, compute units and what their operations cost, as ``arch/*/machine.yaml`` says.

Every figure of a machine is a named parameter (``L3.size``, ``2d.rows``, ``DRAM.bandwidth``), so that a study can sweep it.
Values are SI floats; a figure may be a formula of others (``11.63484 um2 * ceil(log2(size/line))``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)

from fusemax.errors import FusemaxError
from fusemax.language.figure import allowed, figure_kind
from fusemax.language.formula import formula, formula_names, substituted
from fusemax.language.syntax import Binary, Expression, Name, Number
from fusemax.nearest import meant
from fusemax.quantity import QuantityError
from fusemax.shipped import find_machine
from fusemax.source import Document, read_yaml
from fusemax.typed import typed


def _read(unit: str, positive: bool, value: Any) -> Any:
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a quantity in {unit}, got {value!r}")
    try:
        result = formula(value, unit)
    except QuantityError as error:
        raise ValueError(str(error)) from None
    if isinstance(result, Number) and (result.value < 0 or (positive and result.value == 0)):
        raise ValueError(
            f"expected more than zero, got {value!r}"
            if positive
            else f"expected no less than zero, got {value!r}"
        )
    return result


def _count(value: Any) -> Any:
    result = _read("1", True, value)
    if isinstance(result, Number) and result.value != int(result.value):
        raise ValueError(f"expected a whole number, got {value!r}")
    return result


def _in_file(unit: str, example: str) -> WithJsonSchema:
    """Return what an editor is told of a quantity: how a file writes it."""
    text = f"a quantity in {unit}, such as {example}, or a formula of other figures"
    return WithJsonSchema({"type": ["string", "number"], "description": text})


Bytes = Annotated[Any, BeforeValidator(partial(_read, "B", True)), _in_file("B", "16 MiB")]
BytesPerSecond = Annotated[Any, BeforeValidator(partial(_read, "B/s", True)), _in_file("B/s", "400 GB/s")]
Hertz = Annotated[Any, BeforeValidator(partial(_read, "Hz", True)), _in_file("Hz", "940 MHz")]
Seconds = Annotated[Any, BeforeValidator(partial(_read, "s", False)), _in_file("s", "2.5 us")]
Joules = Annotated[Any, BeforeValidator(partial(_read, "J", False)), _in_file("J", "17.2 pJ")]
SquareMetres = Annotated[Any, BeforeValidator(partial(_read, "m2", False)), _in_file("m2", "0.4 mm2")]
Watts = Annotated[Any, BeforeValidator(partial(_read, "W", False)), _in_file("W", "10 mW")]
Cycles = Annotated[Any, BeforeValidator(partial(_read, "1", False)), _in_file("cycles", "4")]
Count = Annotated[Any, BeforeValidator(_count), _in_file("one", "256")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)


class AccessEnergy(_Part):
    """Energy of one line of a level (of one word of a register file): read, write, fill from outside, drain outwards."""

    read: Joules
    write: Joules
    fill: Joules | None = None
    drain: Joules | None = None


class Level(_Part):
    """One memory level. Without ``size`` it holds everything; without ``bandwidth`` and ``ports`` it is never waited for.

    ``ports`` counts lines per cycle and ``bandwidth`` bytes per second, reads and writes pooled; ``read_bandwidth`` is that of
    what leaves the level alone (reads from inside, drains), ``write_bandwidth`` that of what comes in. ``per_core`` says that
    each of the machine's ``replicas`` has its own. ``latency`` is the time until the first word of a phase is there,
    ``leakage`` the power that it takes at all times.
    """

    bandwidth: BytesPerSecond | None = None
    read_bandwidth: BytesPerSecond | None = None
    write_bandwidth: BytesPerSecond | None = None
    latency: Seconds | None = None
    leakage: Watts | None = None
    ports: Count | None = None
    size: Bytes | None = None
    line: Bytes | None = None
    energy: AccessEnergy | None = None
    area: dict[str, SquareMetres] = Field(default_factory=dict)
    per_core: bool = False

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, data: Any) -> Any:
        """Read ``bandwidth: {read: 64 GB/s, write: 32 GB/s}`` as the two bandwidths that it is."""
        if not (isinstance(data, dict) and isinstance(data.get("bandwidth"), dict)):
            return data
        apart = data["bandwidth"]
        strange = [key for key in apart if key not in ("read", "write")]
        if strange or not apart:
            raise ValueError(
                f"bandwidth: expected 'read' and 'write', got {', '.join(map(str, strange)) or 'nothing'}"
            )
        rest = {key: value for key, value in data.items() if key != "bandwidth"}
        return {**{f"{key}_bandwidth": value for key, value in apart.items()}, **rest}

    @property
    def is_waited_for(self) -> bool:
        """Whether moving words at this level takes time."""
        ways = (self.bandwidth, self.read_bandwidth, self.write_bandwidth, self.ports)
        return any(way is not None for way in ways)

    @model_validator(mode="after")
    def _lines(self) -> Level:
        if self.line is None and (self.ports is not None or self.energy is not None):
            raise ValueError("a level with ports or energy needs its 'line' in bytes")
        return self


class Operation(_Part):
    """What one operation on one lane costs: cycles, and the actions that are charged for energy."""

    cycles: Cycles
    actions: dict[str, Cycles]


class Registers(_Part):
    """The register file of one lane."""

    depth: Count
    word: Bytes | None = None
    energy: AccessEnergy | None = None


class Unit(_Part):
    """A compute unit: lanes in one or more dimensions, the operations that a lane does, registers, energy, area.

    ``clock`` is its own, if it is not the machine's; the figures of its operations, of ``fill`` and ``drain`` are then still
    in cycles of the machine. ``leakage`` is the power that it takes at all times, in every core.
    """

    shape: dict[str, Count]
    operations: dict[str, Operation]
    registers: Registers | None = None
    energy: dict[str, Joules] = Field(default_factory=dict)
    area: dict[str, SquareMetres] = Field(default_factory=dict)
    fill: Cycles | None = None
    drain: Cycles | None = None
    clock: Hertz | None = None
    leakage: Watts | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("operations"), dict):
            data = {**data, "operations": _expanded(data["operations"])}
        return data


def _expanded(operations: Mapping[str, Any]) -> dict[str, Any]:
    """Return *operations* with the short forms written out: ``mac: 1`` and ``exp: {mac: 6, add: 1}``."""
    full: dict[str, Any] = {}
    for name, value in operations.items():
        if isinstance(value, Operation):
            full[name] = value
        elif isinstance(value, dict) and "cycles" in value:
            full[name] = {"actions": {name: 1}, **value}
        elif isinstance(value, dict):
            full[name] = {"cycles": _sum_of(name, value, operations), "actions": value}
        else:
            full[name] = {"cycles": value, "actions": {name: 1}}
    return full


def _sum_of(name: str, parts: Mapping[str, Any], operations: Mapping[str, Any]) -> str:
    missing = [part for part in parts if not isinstance(operations.get(part), str | int | float)]
    if missing:
        text = f"operation {name!r} is made of {', '.join(missing)}, which this unit does not do by itself"
        raise ValueError(f"{text}\nhint: give {missing[0]!r} its own cycles")
    return " + ".join(f"({count})*({operations[part]})" for part, count in parts.items())


class Machine(_Part):
    """A machine. Levels stand from the outside in; ``replicas`` is the number of equal cores, each with all units.

    ``launch`` is the time that every phase of a mapping takes before its work begins; ``mappings`` names further folders of
    ``arch/`` whose mappings are found for this machine, those beside it first.
    """

    title: str
    source: str
    clock: Hertz
    word: Bytes
    levels: dict[str, Level]
    units: dict[str, Unit]
    replicas: Count = Number(1.0)
    launch: Seconds = Number(0.0)
    mappings: list[str] = Field(default_factory=list)
    doc: str = ""
    _file: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _not_empty(self) -> Machine:
        if not self.levels or not self.units:
            raise ValueError("a machine needs at least one level and one unit")
        shared = set(self.levels) & set(self.units)
        if shared:
            raise ValueError(f"{', '.join(sorted(shared))} names a level and a unit")
        return self

    @property
    def file(self) -> str:
        """The file that it was read from; ``<machine>`` where it came from text or values."""
        return self._file

    def with_(self, name: str, value: str | float) -> Machine:
        """Return a machine that differs in one figure, by its full name.

        >>> machine, _ = load_machine("fusemax")
        >>> str(machine.with_("L3.size", "32 MiB").levels["L3"].size), str(machine.levels["L3"].size)
        ('33554432', '16777216')

        Raises
        ------
        FusemaxError
            For a name that no figure has, and a value in another unit, without one, or that the figure cannot have.
        """
        return changed(self, name, value)

    @property
    def outermost(self) -> str:
        """The name of the outermost level."""
        return next(iter(self.levels))

    @property
    def level_names(self) -> tuple[str, ...]:
        """The levels' names from the outside in."""
        return tuple(self.levels)


def load_machine(name: str) -> tuple[Machine, Path]:
    """Return the machine called *name* (of ``arch/`` or the user's own path) and its file."""
    path = find_machine(name)
    return machine_of(read_yaml(path)), path


def machine_of(document: Document) -> Machine:
    """Return the checked machine in *document*; raise ProblemsError with every mistake."""
    from fusemax.errors import raise_if_any

    machine = typed(document, Machine)
    machine._file = document.file
    known = figures(machine)
    problems = []
    for path, name, expression in _walk_figures(machine):
        for used in formula_names(expression):
            if used not in known:
                hint = f"a formula may use: {', '.join(sorted(known))}" if len(known) < 12 else None
                problems.append(document.problem(path, f"{used!r} is no figure of this machine", hint))
        del name
    raise_if_any(problems)
    return machine


Figure = tuple[tuple[str | int, ...], str, Expression]


def figures(machine: Machine) -> dict[str, Expression]:
    """Return every figure of *machine* by its full name, as an expression of other full names.

    >>> from fusemax.source import document_of
    >>> text = "title: t\\nsource: s\\nclock: 1 GHz\\nword: 2 B\\nlevels: {DRAM: {bandwidth: 1 GB/s}}\\n"
    >>> text += "units: {alu: {shape: {lanes: 4}, operations: {mac: 1}}}\\n"
    >>> {name: str(value) for name, value in figures(machine_of(document_of(text))).items()}
    {'clock': '1000000000', 'word': '2', 'replicas': '1', 'launch': '0', 'DRAM.bandwidth': '1000000000',
     'alu.lanes': '4', 'alu.operations.mac': '1'}
    """
    return {name: expression for _, name, expression in _walk_figures(machine)}


def figure_paths(machine: Machine) -> dict[str, tuple[str | int, ...]]:
    """Return the keys under which each figure of *machine* stands in its file, by the figure's full name."""
    return {name: path for path, name, _ in _walk_figures(machine)}


def _walk_figures(machine: Machine) -> list[Figure]:
    found: list[Figure] = []
    for name in ("clock", "word", "replicas", "launch"):
        found.append(((name,), name, getattr(machine, name)))
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
)


def _level_figures(name: str, level: Level) -> list[Figure]:
    scope = {short: f"{name}.{short}" for short in LEVEL_FIGURES}
    found: list[Figure] = []
    for key in scope:
        value = getattr(level, key)
        if value is not None:
            found.append((("levels", name, key), f"{name}.{key}", substituted(value, scope)))
    if level.energy is not None:
        found += _energies(("levels", name, "energy"), name, level.energy, scope)
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
    if unit.registers is not None:
        scope["depth"] = f"{name}.registers.depth"
        path = ("units", name, "registers")
        found.append(((*path, "depth"), f"{name}.registers.depth", substituted(unit.registers.depth, scope)))
        if unit.registers.word is not None:
            found.append(((*path, "word"), f"{name}.registers.word", substituted(unit.registers.word, scope)))
        if unit.registers.energy is not None:
            found += _energies((*path, "energy"), f"{name}.registers", unit.registers.energy, scope)
    for operation, cost in unit.operations.items():
        path = ("units", name, "operations", operation)
        cycles = _machine_cycles(name, unit, substituted(cost.cycles, scope))
        found.append((path, f"{name}.operations.{operation}", cycles))
    for table, label in ((unit.energy, "energy"), (unit.area, "area")):
        for key, value in table.items():
            found.append((("units", name, label, key), f"{name}.{label}.{key}", substituted(value, scope)))
    for key in ("fill", "drain", "clock", "leakage"):
        value = getattr(unit, key)
        if value is not None:
            value = substituted(value, scope)
            value = _machine_cycles(name, unit, value) if key in ("fill", "drain") else value
            found.append((("units", name, key), f"{name}.{key}", value))
    return found


def _machine_cycles(name: str, unit: Unit, cycles: Expression) -> Expression:
    """Return *cycles* of a unit with a clock of its own in cycles of the machine."""
    if unit.clock is None:
        return cycles
    return Binary("*", cycles, Binary("/", Name("clock"), Name(f"{name}.clock")))


def changed(machine: Machine, name: str, value: str | float) -> Machine:
    """Return *machine* with another *value* of the figure *name*, as :meth:`Machine.with_` says."""
    path = _place_of(machine, name)
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise QuantityError(f"expected a number, a quantity or a formula, got {value!r}")
        found = formula(value, figure_kind(name).unit)
        if isinstance(found, Number):
            allowed(name, found.value, value)
    except QuantityError as error:
        raise FusemaxError(f"{name}: {error}".replace("\nhint", "\n  hint")) from None
    known = figures(machine)
    for used in formula_names(found):
        if used not in known:
            raise FusemaxError(f"{name}: {used!r} is no figure of this machine\n  hint: {meant(used, known)}")
    try:
        result = _replaced(machine, path, found)
    except ValueError as error:
        raise FusemaxError(f"{name}: {error}") from None
    result._file = machine.file
    return result


def _place_of(machine: Machine, name: str) -> tuple[str, ...]:
    """Return the steps to the figure *name*, one that the machine has or one that it could have."""
    places = {figure: tuple(map(str, path)) for path, figure, _ in _walk_figures(machine)}
    for level in machine.levels:
        for key in ("bandwidth", "ports", "size", "line"):
            places.setdefault(f"{level}.{key}", ("levels", level, key))
    for unit in machine.units:
        for key in ("fill", "drain"):
            places.setdefault(f"{unit}.{key}", ("units", unit, key))
    if name not in places:
        raise FusemaxError(f"{name!r} is no figure of this machine\n  hint: {meant(name, places)}")
    path = places[name]
    if path[0] == "units" and path[2:] == ("shape",):
        sides = ", ".join(f"{path[1]}.{side}" for side in machine.units[path[1]].shape)
        raise FusemaxError(f"{name} follows from {sides}\n  hint: change those")
    return (*path, "cycles") if path[2:3] == ("operations",) else path


def _replaced(node: Any, path: tuple[str, ...], value: Expression) -> Any:
    if not path:
        return value
    step, *rest = path
    if isinstance(node, Mapping):
        return {**node, step: _replaced(node[step], tuple(rest), value)}
    kept = {name: getattr(node, name) for name in type(node).model_fields}
    return type(node)(**{**kept, step: _replaced(kept[step], tuple(rest), value)})
