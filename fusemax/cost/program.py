"""A cost model as a program: named lines, each a formula of parameters and earlier lines.

This is the one derivation of a (cascade, machine, mapping). People read its formulas; :mod:`fusemax.cost.lower` turns it into
code that evaluates one point or ten million.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import sympy

from fusemax.cost.symbols import symbol


@dataclass(frozen=True, slots=True)
class Label:
    """What a line is: its kind, and the parts of the model that it is about (empty where they do not apply)."""

    kind: str
    nest: str = ""
    unit: str = ""
    level: str = ""
    einsum: str = ""
    tensor: str = ""
    action: str = ""

    @property
    def component(self) -> str:
        """The part of the machine that the line is about, and what is done there: ``2d mac``, ``DRAM``.

        >>> Label("component_energy", unit="2d", action="mac").component, Label("time", nest="AV", level="DRAM").component
        ('2d mac', 'DRAM')
        """
        return " ".join(part for part in (self.unit or self.level, self.action) if part)

    def __str__(self) -> str:
        parts = (self.nest, self.unit, self.level, self.einsum, self.tensor, self.action)
        return " ".join((self.kind, *(part for part in parts if part)))


@dataclass(frozen=True, slots=True)
class FitRule:
    """The largest tile whose footprint fits.

    The size is the largest admissible *d* with ``footprint(d) <= capacity``, where ``count`` bounds d and *kind* says which
    d are admissible: divisors of count, powers of two, or any. It is 1 when nothing fits; the occupancy then tells.
    """

    tile: sympy.Symbol
    count: sympy.Expr
    footprint: sympy.Expr
    capacity: sympy.Expr
    kind: str


@dataclass(frozen=True, slots=True)
class Line:
    """One named value."""

    name: str
    value: sympy.Expr | FitRule
    label: Label
    needed: frozenset[str] | None = field(
        default=None, init=False, repr=False, compare=False
    )  #: asked before

    def needs(self) -> frozenset[str]:
        """Return the names that the value is computed from."""
        if self.needed is None:
            object.__setattr__(self, "needed", self._needs())
        return self.needed  # type: ignore[return-value]

    def _needs(self) -> frozenset[str]:
        if isinstance(self.value, FitRule):
            rule = self.value
            free = names_in(rule.count) | names_in(rule.footprint) | names_in(rule.capacity)
            return free - {rule.tile.name}
        return names_in(self.value)


@lru_cache(maxsize=2**14)
def names_in(value: sympy.Expr) -> frozenset[str]:
    """Return the names that a formula holds."""
    return frozenset(found.name for found in value.free_symbols)  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class Program:
    """A derived model.

    Attributes
    ----------
    parameters
        Values by name; None where a workload has to give one.
    lines
        In an order of evaluation.
    missing
        Figures that the machine lacks for a total (``energy``, ``area``), by total.
    """

    parameters: Mapping[str, float | None]
    lines: tuple[Line, ...]
    missing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def labelled(self, kind: str) -> tuple[Line, ...]:
        """Return the lines of one kind."""
        return tuple(line for line in self.lines if line.label.kind == kind)

    def tiles_given(self) -> frozenset[str]:
        """Return the tiles whose sizes the mapping gives; a part of a rank that it leaves open is a size like others."""
        tiles = {line.label.tensor for line in self.labelled("tile")}
        return frozenset(tile for tile in tiles if self.parameters.get(tile, 0.0) is not None)

    def needed(self, outputs: Iterable[str]) -> tuple[Line, ...]:
        """Return the lines that *outputs* depend on, in order."""
        wanted = set(outputs)
        kept: list[Line] = []
        for line in reversed(self.lines):
            if line.name in wanted:
                kept.append(line)
                wanted |= line.needs()
        return tuple(reversed(kept))


@dataclass
class Writer:
    """Collects the lines of a program; ``add`` returns the symbol by which later lines refer to a value."""

    lines: list[Line] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def add(self, name: str, value: sympy.Expr | FitRule, label: Label) -> sympy.Symbol:
        """Append a line and return its symbol."""
        self.append(Line(name, value, label))
        return symbol(name)

    def append(self, line: Line) -> None:
        """Append *line*, whose name no other has."""
        if line.name in self.names:
            raise ValueError(f"two lines are called {line.name!r}")
        self.names.add(line.name)
        self.lines.append(line)
