"""Numbers for one point: figures of the machine, sizes of ranks, and the tiles that a mapping asks for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fusemax.cascade.sizes import resolve_sizes
from fusemax.errors import FusemaxError
from fusemax.language.formula import substituted
from fusemax.language.syntax import Expression, names
from fusemax.language.value import finite_value_of
from fusemax.machine import Machine, figures
from fusemax.mapping.given import as_long_as_tiles, sizes_given, tiles_cut
from fusemax.mapping.nest import Mapped, Nest
from fusemax.mapping.refused import check_figures
from fusemax.mapping.spec import Fit


@dataclass(frozen=True, slots=True)
class Point:
    """One point: every figure by its full name, the size of every rank that a nest cuts, and the sizes that were given."""

    figures: Mapping[str, float]
    ranks: Mapping[str, int]
    given: Mapping[str, int]

    @property
    def known(self) -> dict[str, float]:
        """Figures and sizes together, as a formula may name them."""
        return {**self.figures, **self.ranks}


def point_of(
    mapped: Mapped, machine: Machine, sizes: Mapping[str, int], changed: Mapping[str, float]
) -> Point:
    """Return the point at *sizes*, with the figures of *machine* except those *changed*.

    Raises
    ------
    SizeError, FusemaxError
        For sizes that are missing, unknown or not whole, and figures that the machine does not have.
    """
    formulas = dict(figures(machine))
    check_figures(changed, formulas)
    sizes_given(mapped, _needed(mapped, formulas), sizes)
    cut = tiles_cut(mapped).intersection(mapped.cascade.size_symbols())
    ranks = resolve_sizes(mapped.cascade, {**dict.fromkeys(cut, 1), **sizes}, cut.difference(sizes))
    kept = {name: value for name, value in ranks.items() if name not in cut}
    return Point(_figures(formulas, changed), kept, dict(sizes))


def _needed(mapped: Mapped, formulas: Collection[str]) -> list[str]:
    """Return the sizes of the ranks that nests cut, and those that rules of tiles name."""
    roots = {root.size_name for nest in mapped.nests for root in nest.roots.values()}
    rules = [rule for nest in mapped.nests for rule in tile_rules(nest).values() if not isinstance(rule, Fit)]
    named = {name for rule in rules for name in names(rule)}  # type: ignore[arg-type]
    return sorted((roots | named) - as_long_as_tiles(mapped) - tiles_cut(mapped) - set(formulas))


def _figures(formulas: Mapping[str, Expression], changed: Mapping[str, float]) -> dict[str, float]:
    known = {name: float(value) for name, value in changed.items()}
    pending = {name: formula for name, formula in formulas.items() if name not in known}
    while pending:
        before = len(pending)
        for name, formula in list(pending.items()):
            try:
                known[name] = finite_value_of(formula, known)
            except KeyError:
                continue
            del pending[name]
        if len(pending) == before:
            raise FusemaxError(f"these figures need each other: {', '.join(sorted(pending))}")
    return known


def tile_rules(nest: Nest) -> dict[str, object]:
    """Return the rule of every digit that has one, by the digit's name, names of figures in full."""
    rules: dict[str, object] = {}
    for root in nest.roots.values():
        for digit in root.digits:
            if digit.rule is not None:
                rule = digit.rule
                rules[digit.name] = rule if hasattr(rule, "kind") else substituted(rule, {})  # type: ignore[arg-type]
    return rules


def whole_cycles(cycles: float) -> int:
    """Return *cycles* rounded up: everything ends on an edge of the clock. Rounding errors of 1e-9 do not add one.

    Raises
    ------
    FusemaxError
        For more cycles than can be counted.
    """
    if not cycles < 1 << 61:
        raise FusemaxError(f"a task of {cycles:.3g} cycles is longer than the simulator counts")
    return math.ceil(cycles - 1e-9 * max(1.0, abs(cycles)))
