"""Formulas in YAML: sizes, tiles and machine figures such as ``lanes * 1545 um2 + 5.98 um2 * depth``.

A quantity with a unit inside a formula becomes its SI value, so a formula of one unit is one expression of names and
numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from fusemax.errors import Problem, ProblemsError
from fusemax.language.constant import ConstantError, value_of_constant
from fusemax.language.dimension import Dimension, dimension, dimension_of_quantity, dimension_of_unit
from fusemax.language.functions import FUNCTIONS
from fusemax.language.parse import parse_expression
from fusemax.language.syntax import Access, Call, Expression, Name, Number, walk
from fusemax.nearest import meant
from fusemax.quantity import QuantityError, quantity
from fusemax.source import Text

TILE_RULE = "fit"  #: alone in the formula of a tile: ``fit(L3)``
_QUANTITY = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-zµ%][A-Za-zµ/0-9]*)(?![\w(\[.])")
_DOTTED = re.compile(r"\b(\d*[A-Za-z_]\w*)\.([A-Za-z_]\w*)")


def formula(value: str | int | float, unit: str, file: str = "<value>", *, fits: bool = False) -> Expression:
    """Return the expression that *value* holds; quantities in it must be in *unit* or plain numbers.

    Only that of a tile may be ``fit(...)`` (*fits*).

    >>> str(formula("2 * 3 MHz + clock", "Hz"))
    '2*3000000 + clock'

    Raises
    ------
    QuantityError
        When a quantity is in another unit, a plain number stands where a unit is needed, a function is unknown or has
        the wrong number of arguments, or numbers in it make none (``P/0``, ``2**99999``).
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = quantity(value, "1")
        _checked(value, unit)
        return Number(number)
    return _read(str(value).strip(), unit, file, fits)


@lru_cache(maxsize=2**11)
def _read(text: str, unit: str, file: str, fits: bool) -> Expression:
    try:
        if _is_plain(text, unit):
            return Number(quantity(text, unit))
        found = _refused_if_wrong(_expression(text, unit, file), text, fits)
        if unit not in ("1", "cycles"):
            _refuse_numbers_alone(found, text, unit)
            _refuse_other_dimension(text, unit, file)
        return found
    except ProblemsError as error:
        first = error.problems[0]
        hint = f"\nhint: {first.hint}" if first.hint else ""
        raise QuantityError(f"{first.text} in formula {text!r}{hint}") from None


def _is_plain(text: str, unit: str) -> bool:
    """Return whether *text* is one quantity; raise when it is neither that nor a formula."""
    if re.fullmatch(r"[-+]?\d+(\.\d+)?([eE][+-]?\d+)?", text):
        _checked(quantity(text, "1"), unit)
        return True
    try:
        quantity(text, unit)
    except QuantityError:
        without_units = re.sub(r"(?<=[A-Za-z])/(s|cycle)\b", "", text)
        name = re.fullmatch(r"\w+\.[A-Za-z_]\w*", text) or (
            unit == "1" and re.fullmatch(r"[A-Za-z_]\w*", text)
        )
        if name or re.search(r"[-+*/(]", without_units):
            return False
        raise
    return True


def _refuse_numbers_alone(found: Expression, text: str, unit: str) -> None:
    """Raise QuantityError where the formula *text* holds numbers alone, and not for zero: one of them needs a *unit*."""
    has_unit = any(_is_in(match.group(0), unit) for match in _QUANTITY.finditer(text))
    if not has_unit and not formula_names(found) and value_of_constant(found) != 0:
        raise QuantityError(
            f"expected a quantity in {unit}, got {text!r} without a unit\nhint: write it, e.g. '({text}) * 1 {unit}'"
        )


def _refuse_other_dimension(text: str, unit: str, file: str) -> None:
    """Raise QuantityError where the units that the formula *text* holds multiply to another one than *unit*."""
    found: dict[str, Dimension | None] = {}

    def named(match: re.Match[str]) -> str:
        name = f"quantity_{len(found)}_"
        found[name] = dimension_of_quantity(match.group(0), unit)
        return name

    marked = parse_expression(Text(_QUANTITY.sub(named, _plain(text)), file))
    try:
        made = dimension(marked, found)
    except QuantityError as error:
        raise QuantityError(f"expected a quantity in {unit}, but {error} in formula {text!r}") from None
    if found and made is not None and made != dimension_of_unit(unit):
        hint = "a unit belongs to the number before it: '921/0.92 GB/s' divides by 0.92 GB/s, '921 GB/s / 0.92' by 0.92"
        raise QuantityError(
            f"expected a quantity in {unit}, but the formula {text!r} is one in {made}\nhint: {hint}"
        )


def _is_in(text: str, unit: str) -> bool:
    """Return whether *text* is a quantity in *unit*, or in one that may be a factor of it."""
    for known in (unit, "B", "Hz"):
        try:
            quantity(text, known)
        except QuantityError:
            continue
        return True
    return False


def _checked(value: float, unit: str) -> float:
    if unit not in ("1", "cycles") and value != 0:
        raise QuantityError(
            f"expected a quantity in {unit}, got {value!r} without a unit\nhint: write the unit, e.g. '{value!r} {unit}'"
        )
    return value


def _expression(text: str, unit: str, file: str) -> Expression:
    def si(match: re.Match[str]) -> str:
        try:
            return repr(quantity(match.group(0), unit))
        except QuantityError:
            factor = _factor_of_rate(match, unit)
            if factor is None:
                raise
            return repr(factor)

    return parse_expression(Text(_QUANTITY.sub(si, _plain(text)), file))


def _plain(text: str) -> str:
    return _DOTTED.sub(lambda m: dotted(m.group(1), m.group(2)), text)


def _factor_of_rate(match: re.Match[str], unit: str) -> float | None:
    """Return the SI value of bytes, or of a frequency, that is a factor of a bandwidth (``64 bit * clock``); else None."""
    before, after = match.string[: match.start()].rstrip(), match.string[match.end() :].lstrip()
    if unit != "B/s" or not (before.endswith("*") or after.startswith("*")):
        return None
    for part in ("B", "Hz"):
        try:
            return quantity(match.group(0), part)
        except QuantityError:
            continue
    return None


def _refused_if_wrong(expression: Expression, text: str, fits: bool) -> Expression:
    """Return *expression*; raise QuantityError when no number can come of it."""
    if fits and isinstance(expression, Call) and expression.function == TILE_RULE:
        return expression
    for node in walk(expression):
        if isinstance(node, Call):
            _refuse_wrong_call(node, text)
        if isinstance(node, Access):
            raise QuantityError(f"{node} is a tensor, not a number, in formula {text!r}")
    for node in walk(expression):
        try:
            value_of_constant(node)
        except ConstantError as error:
            raise QuantityError(f"{error} in formula {text!r}") from None
    return expression


def _refuse_wrong_call(call: Call, text: str) -> None:
    if call.function == TILE_RULE:
        raise QuantityError(
            f"'{TILE_RULE}' stands alone, as the size of a tile under 'tiles:' of a mapping, in formula {text!r}"
        )
    if call.function not in FUNCTIONS:
        raise QuantityError(
            f"unknown function {call.function!r} in formula {text!r}\nhint: {meant(call.function, FUNCTIONS)}"
        )
    wrong = FUNCTIONS[call.function].wrong_number(len(call.arguments))
    if wrong:
        raise QuantityError(f"{wrong}, in formula {text!r}")


def dotted(owner: str, name: str) -> str:
    """Return the one-word spelling of ``owner.name`` that the expression parser reads.

    >>> undotted(dotted("2d", "rows"))
    '2d.rows'
    """
    return f"at_{owner}_dot_{name}"


def undotted(name: str) -> str:
    """Return ``owner.name`` for a word made by :func:`dotted`, other names unchanged."""
    match = re.fullmatch(r"at_(\w+)_dot_(\w+)", name)
    return f"{match.group(1)}.{match.group(2)}" if match else name


def formula_names(expression: Expression) -> tuple[str, ...]:
    """Return the names that a formula uses, dotted ones as written."""
    return tuple(dict.fromkeys(undotted(n.name) for n in walk(expression) if isinstance(n, Name)))


def substituted(expression: Expression, scope: Mapping[str, str]) -> Expression:
    """Return *expression* with local names replaced by their full names in *scope*."""
    from dataclasses import replace

    from fusemax.language.syntax import Access, Binary, Call, Negative

    if isinstance(expression, Name):
        return replace(expression, name=scope.get(expression.name, undotted(expression.name)))
    if isinstance(expression, Call | Access):
        field = "arguments" if isinstance(expression, Call) else "indices"
        return replace(
            expression, **{field: tuple(substituted(a, scope) for a in getattr(expression, field))}
        )
    if isinstance(expression, Negative):
        return replace(expression, operand=substituted(expression.operand, scope))
    if isinstance(expression, Binary):
        left, right = substituted(expression.left, scope), substituted(expression.right, scope)
        return replace(expression, left=left, right=right)
    return expression


__all__ = ["Problem", "dotted", "formula", "formula_names", "substituted", "undotted"]
