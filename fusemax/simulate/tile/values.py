"""Numbers for one point: figures of the machine, sizes of ranks, and the tiles that a mapping asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.cascade.sizes import MissingSizeError, resolve_sizes
from fusemax.errors import FusemaxError
from fusemax.language.formula import substituted
from fusemax.language.syntax import Expression
from fusemax.language.value import finite_value_of
from fusemax.machine import Machine, figures
from fusemax.mapping.nest import Mapped, Nest


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
    unknown = [name for name in changed if name not in formulas]
    if unknown:
        raise FusemaxError(f"no such figure of the machine: {', '.join(unknown)}")
    cascade = mapped.cascade
    roots = {root.size_name for nest in mapped.nests for root in nest.roots.values()}
    cuts = {d.size_name for n in mapped.nests for r in n.roots.values() for d in r.digits if d.rule}
    stand_in = {name: 1 for name in cuts & set(cascade.size_symbols()) if name not in sizes}
    ranks = resolve_sizes(cascade, {**stand_in, **sizes})
    missing = sorted(name for name in roots if name not in ranks)
    if missing:
        raise MissingSizeError(f"mapping {mapped.name}", sorted(missing))
    kept = {name: value for name, value in ranks.items() if name not in stand_in}
    return Point(_figures(formulas, changed), kept, dict(sizes))


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
