"""Numbers for one point: figures of the machine, sizes of ranks, and the tiles that a mapping asks for."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fusemax.cascade.sizes import SizeError, resolve_sizes
from fusemax.errors import FusemaxError
from fusemax.language.formula import substituted, undotted
from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, Number
from fusemax.machine import Machine, figures
from fusemax.mapping.nest import Mapped, Nest

_BINARY: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
}  # fmt: skip
_CALLS: Mapping[str, Callable[..., float]] = {
    "ceil": math.ceil, "floor": math.floor, "log2": math.log2, "sqrt": math.sqrt, "max": lambda *of: max(of),
    "min": lambda *of: min(of),
}  # fmt: skip


def value_of(expression: Expression, known: Mapping[str, float]) -> float:
    """Return the value of a formula whose names stand in *known*.

    >>> from fusemax.language.formula import formula
    >>> value_of(formula("ceil(P/3) + 1", "1"), {"P": 7})
    4.0

    Raises
    ------
    KeyError
        With the name that is not known.
    FusemaxError
        When no number comes of it: a division by zero, the root of a negative number.
    """
    try:
        return _value_of(expression, known)
    except (ArithmeticError, ValueError) as error:
        raise FusemaxError(f"formula {expression} has no value: {error}") from None


def _value_of(expression: Expression, known: Mapping[str, float]) -> float:
    if isinstance(expression, Number):
        return float(expression.value)
    if isinstance(expression, Name):
        return float(known[undotted(expression.name)])
    if isinstance(expression, Negative):
        return -_value_of(expression.operand, known)
    if isinstance(expression, Binary):
        return _BINARY[expression.operator](
            _value_of(expression.left, known), _value_of(expression.right, known)
        )
    if isinstance(expression, Call):
        return float(_CALLS[expression.function](*(_value_of(a, known) for a in expression.arguments)))
    raise TypeError(f"{expression} is a tensor, not a number")


@dataclass(frozen=True, slots=True)
class Point:
    """One point: every figure by its full name, and the size of every rank that a nest cuts."""

    figures: Mapping[str, float]
    ranks: Mapping[str, int]

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
        raise SizeError(f"mapping {mapped.name} needs a size for {', '.join(missing)}")
    kept = {name: value for name, value in ranks.items() if name not in stand_in}
    return Point(_figures(formulas, changed), kept)


def _figures(formulas: Mapping[str, Expression], changed: Mapping[str, float]) -> dict[str, float]:
    known = {name: float(value) for name, value in changed.items()}
    pending = {name: formula for name, formula in formulas.items() if name not in known}
    while pending:
        before = len(pending)
        for name, formula in list(pending.items()):
            try:
                known[name] = value_of(formula, known)
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
