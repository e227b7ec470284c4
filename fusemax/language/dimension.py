"""Which unit a formula makes: ``921 GB/s / 0.92`` is a bandwidth, ``921/0.92 GB/s`` is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fusemax.language.syntax import Binary, Call, Expression, Name, Negative, Number
from fusemax.quantity import QuantityError, quantity

_PARTS: Mapping[str, Mapping[str, float]] = {
    "Hz": {"s": -1},
    "B/s": {"B": 1, "s": -1},
    "FLOP/s": {"FLOP": 1, "s": -1},
}
_FACTORS = ("B", "Hz")  #: units that a formula in another one may hold: ``64 bit * clock``
_ALIKE = frozenset(
    {"max", "min", "abs", "floor", "ceil", "round"}
)  #: what comes out is in the unit of what goes in


@dataclass(frozen=True, slots=True)
class Dimension:
    """Powers of units, ``(("B", 1), ("s", -1))`` for B/s; a plain number has none."""

    powers: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        parts = [unit if power == 1 else f"{unit}^{power:g}" for unit, power in self.powers]
        return "*".join(parts) or "a plain number"


def dimension_of_unit(unit: str) -> Dimension:
    """Return the dimension of *unit*.

    >>> str(dimension_of_unit("B/s")), dimension_of_unit("B")
    ('B*s^-1', Dimension(powers=(('B', 1),)))
    """
    return Dimension(tuple(sorted(_PARTS.get(unit, {unit: 1}).items())))


def dimension_of_quantity(text: str, unit: str) -> Dimension | None:
    """Return the dimension of the quantity *text* in a formula in *unit*; None where it is in none that may stand there.

    >>> str(dimension_of_quantity("64 bit", "B/s"))
    'B'
    """
    for known in dict.fromkeys((unit, *_FACTORS)):
        try:
            quantity(text, known)
        except QuantityError:
            continue
        return dimension_of_unit(known)
    return None


def dimension(node: Expression, known: Mapping[str, Dimension | None]) -> Dimension | None:
    """Return the dimension of *node*, whose names have the *known* ones; None where that depends on other names.

    Raises
    ------
    QuantityError
        When a sum or a maximum has terms of different dimensions.
    """
    match node:
        case Number():
            return None if node.value == 0 else Dimension()
        case Name():
            return known.get(node.name)
        case Negative():
            return dimension(node.operand, known)
        case Binary(operator="+" | "-"):
            return _of_terms(node, (node.left, node.right), known)
        case Binary(operator="*" | "/"):
            return _product(
                dimension(node.left, known), dimension(node.right, known), 1 if node.operator == "*" else -1
            )
        case Binary(operator="**", left=base, right=Number(value=power)):
            return _product(Dimension(), dimension(base, known), power)
        case Call() if node.function in _ALIKE:
            return _of_terms(node, node.arguments, known)
        case _:
            return None


def _of_terms(
    node: Expression, terms: tuple[Expression, ...], known: Mapping[str, Dimension | None]
) -> Dimension | None:
    found = [each for term in terms if (each := dimension(term, known)) is not None]
    if len(set(found)) > 1:
        raise QuantityError(" and ".join(dict.fromkeys(map(str, found))) + " stand together")
    return found[0] if found and (len(found) == len(terms) or found[0].powers) else None


def _product(left: Dimension | None, right: Dimension | None, power: float) -> Dimension | None:
    if left is None or right is None:
        return None
    powers = dict(left.powers)
    for unit, value in right.powers:
        powers[unit] = powers.get(unit, 0) + power * value
    return Dimension(tuple(sorted((unit, value) for unit, value in powers.items() if value)))
