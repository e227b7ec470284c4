"""From a mapped cascade to its cost program: tiles, counts, times, traffic, energy, area, all as formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy

from fusemax.cost.formed import GivenTile, figure_lines, formed, shape_of
from fusemax.cost.power import at_held_clock
from fusemax.cost.program import Label, Program, Writer
from fusemax.cost.symbols import groups_of, symbol, to_sympy
from fusemax.errors import FusemaxError
from fusemax.language.syntax import Expression, Number, names
from fusemax.machine import Machine
from fusemax.mapping.build import tile_expression
from fusemax.mapping.given import sizes_of_wholes
from fusemax.mapping.nest import Mapped
from fusemax.mapping.spec import Fit


def derive(mapped: Mapped, machine: Machine, free: Iterable[str] = ()) -> Program:
    """Return the cost program of *mapped* on *machine*.

    *free* names figures of the machine that are formulas there but are to be given as parameters (a sweep's).
    """
    return _Derivation(mapped, machine, frozenset(free)).run()


class _Derivation:
    def __init__(self, mapped: Mapped, machine: Machine, free: frozenset[str]) -> None:
        self.mapped, self.machine, self.free = mapped, machine, free
        self.writer = Writer()
        self.parameters: dict[str, float | None] = {}

    def run(self) -> Program:
        self._figures()
        for level in filter(self.machine.of_groups, self.machine.levels):
            self.writer.add(f"groups[{level}]", groups_of(level), Label("groups", level=level))
        self._sizes()
        whole = formed(shape_of(self.mapped, self.machine))
        rules = {
            (nest.name, digit.name): digit.rule
            for nest in self.mapped.nests
            for root in nest.roots.values()
            for digit in root.digits
        }
        for line in whole.lines:
            if isinstance(line, GivenTile):
                self._tile(line, rules[line.nest, line.digit])
            else:
                self.writer.append(line)
        given = self._tiles_given()
        for line in self.writer.lines:  # a size that is no rank, such as a dilation in an index
            for name in sorted(line.needs() - self.writer.names):
                if name in given:
                    self._only(given, name)
                self.parameters.setdefault(name, None)
        program = Program(parameters=self.parameters, lines=tuple(self.writer.lines), missing=whole.missing)
        return at_held_clock(program, self.machine)

    def _figures(self) -> None:
        for _, name, value in self.machine.walked:
            if isinstance(value, Number) or name in self.free:
                self.parameters[name] = value.value if isinstance(value, Number) else None
        for line in figure_lines(self.machine.structure, self.free):
            self.writer.append(line)

    def _sizes(self) -> None:
        given, wholes = self._tiles_given(), sizes_of_wholes(self.mapped)
        for nest in self.mapped.nests:
            for root in nest.roots.values():
                rank = self.mapped.cascade.ranks.get(root.size_name)
                used = () if rank is None or rank.size is None else names(rank.size)
                cut = [name for name in used if name in given]
                if rank is not None and rank.size is not None and cut and rank.size not in wholes:
                    known = {name: self._only(given, name) for name in cut}
                    self._size(root.size_name, to_sympy(rank.size, known))
                else:
                    self.parameters.setdefault(root.size_name, None)
        if len(self.mapped.nests) > 1:
            for name, found in given.items():
                if len(found) == 1 and None not in found:
                    self._size(name, self._only(given, name))

    def _size(self, name: str, value: sympy.Expr) -> None:
        """Write the size called *name*, that of a tile which the mapping gives."""
        if name in self.writer.names:
            return
        for free in sorted(map(str, value.free_symbols)):
            if free not in self.writer.names:
                self.parameters.setdefault(free, None)
        self.writer.add(name, value, Label("size", tensor=name))

    def _tiles_given(self) -> dict[str, dict[sympy.Expr | None, str]]:
        """Return what the mapping cuts of the cascade's own parts of ranks: sizes (None: found by fit) and their nests."""
        found: dict[str, dict[sympy.Expr | None, str]] = {}
        for nest in self.mapped.nests:
            for digit in (digit for root in nest.roots.values() for digit in root.digits):
                if digit.rule is None or digit.size_name not in self.mapped.cascade.ranks:
                    continue
                value = None if isinstance(digit.rule, Fit) else to_sympy(tile_expression(digit.rule))
                if value != symbol(digit.size_name):
                    found.setdefault(digit.size_name, {}).setdefault(value, nest.name)
        return found

    def _only(self, given: Mapping[str, Mapping[sympy.Expr | None, str]], name: str) -> sympy.Expr:
        """Return the one size that a part of a rank has in all nests.

        Raises
        ------
        FusemaxError
            When it has several, or one that is found by fit: what else is as long would not be known.
        """
        value, *others = given[name]
        if others or value is None:
            nests = " and ".join(dict.fromkeys(given[name].values()))
            text = f"{name} is a size of the cascade, which mapping {self.mapped.name} cuts by fit or in several ways"
            raise FusemaxError(
                f"{text} (nest {nests})\n  hint: give it one number or formula under the mapping's 'tiles:'"
            )
        return value

    def _tile(self, tile: GivenTile, rule: Expression | Fit | None) -> None:
        """Write the size of a *tile*, by its *rule*."""
        assert not isinstance(rule, Fit)
        assert rule is not None
        value = to_sympy(tile_expression(rule))
        if value == symbol(tile.name):
            self.parameters.setdefault(tile.name, None)
            return
        for free in value.free_symbols:
            if str(free) not in self.writer.names:
                self.parameters.setdefault(str(free), None)
        self.writer.add(tile.name, value, Label("tile", nest=tile.nest, tensor=tile.size_name))
