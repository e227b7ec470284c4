"""A machine as a value, and how it is read from ``arch/*/machine.yaml``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, PrivateAttr, model_validator

from fusemax.errors import Problem, raise_if_any
from fusemax.language.figure import allowed
from fusemax.language.formula import formula_names
from fusemax.language.syntax import Number
from fusemax.language.value import value_of
from fusemax.machine.amounts import Bytes, Count, Hertz, Seconds, Watts
from fusemax.machine.change import changed
from fusemax.machine.divided import wrong_dimensions
from fusemax.machine.figures import Figure, figure_values, walk_figures
from fusemax.machine.groups import wrong_groups
from fusemax.machine.parts import TAKEN, Level, Registers, Unit
from fusemax.machine.structure import Structure, structure_of
from fusemax.nearest import nearest
from fusemax.quantity import QuantityError
from fusemax.shipped import find_machine
from fusemax.source import Document, read_yaml
from fusemax.typed import FilePart, typed


@dataclass(frozen=True, slots=True)
class LaneMemory:
    """A memory that every lane of *unit* has; *prefix* stands before the names of its figures."""

    unit: str
    prefix: str
    described: Registers


class Machine(FilePart):
    """A machine. Levels stand from the outside in; ``replicas`` is the number of equal cores, each with all units.

    ``power`` is what the whole board may take: energy is at most that for all the time. ``launch`` is the time that every
    phase of a mapping takes before its work begins, ``graph_launch`` what a kernel that moves next to nothing takes in a
    recorded graph; ``mappings`` names further folders of ``arch/`` whose mappings are found for this machine, those beside it
    first.
    """

    title: str
    source: str
    clock: Hertz
    word: Bytes
    levels: dict[str, Level]
    units: dict[str, Unit]
    replicas: Count = Number(1.0)
    launch: Seconds = Number(0.0)
    graph_launch: Seconds | None = None
    power: Watts | None = None
    mappings: list[str] = Field(default_factory=list)
    doc: str = ""
    _file: str = PrivateAttr(default="")
    _walked: tuple[Figure, ...] = PrivateAttr(default=())
    _structure: Structure | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _not_empty(self) -> Machine:
        if not self.levels or not self.units:
            raise ValueError("a machine needs at least one level and one unit")
        shared = set(self.levels) & set(self.units)
        if shared:
            raise ValueError(f"{', '.join(sorted(shared))} names a level and a unit")
        return self

    def read_from(self, file: str) -> Machine:
        """Return the machine, which now knows the *file* that it was read from."""
        self._file = file
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
        return changed(self, name, value).read_from(self.file)

    @property
    def walked(self) -> tuple[Figure, ...]:
        """Every figure: the keys under which it stands, its full name, and its expression; worked out once."""
        if not self._walked:
            self._walked = tuple(walk_figures(self))
        return self._walked

    @property
    def structure(self) -> Structure:
        """All that formulas of the machine depend on: everything but the numbers of figures; worked out once."""
        if self._structure is None:
            self._structure = structure_of(self)
        return self._structure

    @property
    def outermost(self) -> str:
        """The name of the outermost level."""
        return next(iter(self.levels))

    @property
    def lane_memories(self) -> dict[str, LaneMemory]:
        """The memories inside the lanes of units, by the name under which a mapping keeps tensors there.

        That of a unit's registers is the unit itself; the others are ``2d.weights``.
        """
        found: dict[str, LaneMemory] = {}
        for name, unit in self.units.items():
            if unit.registers is not None:
                found[name] = LaneMemory(name, f"{name}.registers", unit.registers)
            for memory, described in unit.memories.items():
                found[f"{name}.{memory}"] = LaneMemory(name, f"{name}.{memory}", described)
        return found

    @property
    def places(self) -> tuple[str, ...]:
        """Where tensors can be, from the outside in: levels, units, and the memories of their lanes beside the registers."""
        names = (*self.levels, *self.units, *self.lane_memories)
        return tuple(dict.fromkeys(names))

    def physical(self, unit: str) -> str:
        """Return the name of the unit whose lanes *unit* uses: its own, or the one that it shares.

        >>> machine, _ = load_machine("h100")
        >>> machine.physical("warp_tensor"), machine.physical("vector")
        ('tensor', 'vector')
        """
        return self.units[unit].shares or unit

    def of_groups(self, level: str) -> bool:
        """Return whether groups of cores share *level*, each group one of its own (``shared_by``)."""
        return level in self.levels and self.levels[level].shared_by is not None

    def around(self, level: str) -> str:
        """Return the level around *level*, those that groups of cores share left out: where what spills from it is."""
        names = [name for name in self.levels if name == level or not self.of_groups(name)]
        return names[names.index(level) - 1]

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
    machine = typed(document, Machine).read_from(document.file)
    walked = machine.walked
    known = {name: expression for _, name, expression in walked}
    problems: list[Problem] = []
    for path, _, expression in walked:
        for used in formula_names(expression):
            if used not in known:
                own = [name.removeprefix(f"{path[1]}.") if len(path) > 1 else name for name in known]
                near = nearest(used, own)
                few = f"a formula may use: {', '.join(sorted(known))}" if len(known) < 12 else None
                hint = f"did you mean {near!r}?" if near else few
                problems.append(document.problem(path, f"{used!r} is no figure of this machine", hint))
    problems += [
        document.problem(("units", name, key), text, hint) for name, key, text, hint in _sharing(machine)
    ]
    problems += [
        document.problem(
            ("units", name, "memories", memory), f"{memory!r} is taken: {name}.{memory} is a figure", None
        )
        for name, unit in machine.units.items()
        for memory in unit.memories
        if memory in (*TAKEN, *unit.shape)
    ]
    problems += [
        document.problem(path, text, hint)
        for path, text, hint in wrong_dimensions(machine.levels, machine.units)
    ]
    raise_if_any(problems)
    raise_if_any(list(_impossible(document, walked)))
    if any(level.per_core or level.shared_by is not None for level in machine.levels.values()):
        raise_if_any(
            [
                document.problem(("levels", name, *([key] if key else [])), text, hint, key=not key)
                for name, key, text, hint in wrong_groups(machine.levels, figure_values(walked))
            ]
        )
    return machine


def _impossible(document: Document, walked: Sequence[Figure]) -> Iterator[Problem]:
    """Yield the figures whose formulas come to a value that the figure cannot have, or that need each other."""
    known = {name: figure.value for _, name, figure in walked if isinstance(figure, Number)}
    waiting = [(path, name, figure) for path, name, figure in walked if not isinstance(figure, Number)]
    while waiting:
        ready = [entry for entry in waiting if all(used in known for used in formula_names(entry[2]))]
        if not ready:
            path, name, figure = waiting[0]
            yield document.problem(path, f"{name} = {figure} needs itself: its value never comes")
            return
        for path, name, figure in ready:
            known[name] = value_of(figure, known)
            if not math.isfinite(known[name]):
                yield document.problem(
                    path, f"{name} = {figure} comes to {known[name]:g}, which is no number"
                )
                continue
            try:
                allowed(name, known[name], f"{known[name]:g}")
            except QuantityError as error:
                yield document.problem(path, f"{name} = {figure}: {error}")
        waiting = [entry for entry in waiting if entry[1] not in known]


#: What a unit has once, under its first name.
ONCE = ("registers", "memories", "area", "leakage", "sustained")


def _sharing(machine: Machine) -> Iterator[tuple[str, str, str, str]]:
    """Yield what is wrong with units that share: the unit, the key, what, and how to mend it."""
    for name, unit in machine.units.items():
        if unit.shares is None:
            continue
        owner = machine.units.get(unit.shares)
        others = [other for other, one in machine.units.items() if other != name and one.shares is None]
        if owner is None or unit.shares == name:
            hint = f"other units: {', '.join(others)}" if others else "there is no other"
            yield name, "shares", f"{unit.shares!r} is no other unit of this machine", hint
        elif owner.shares is not None:
            text = f"{unit.shares!r} is itself another name of {owner.shares!r}"
            yield name, "shares", text, f"write 'shares: {owner.shares}'"
        for key in ONCE:
            if getattr(unit, key):
                hint = f"give it to {unit.shares}, whose lanes these are"
                yield name, key, f"{name} shares the lanes of {unit.shares} and has no {key} of its own", hint
