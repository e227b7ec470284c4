"""Values on the axes of a grid: lists, ranges, quantities and formulas as a study writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BeforeValidator

from fusemax.errors import FusemaxError
from fusemax.language.figure import allowed, figure_kind, is_figure, misspelt, refuse_without_unit
from fusemax.language.formula import formula, formula_names, substituted
from fusemax.language.syntax import Expression, Number
from fusemax.language.value import is_size, size_fault, value_of
from fusemax.quantity import QuantityError, quantity, refuse_bare

UNITS = ("1", "B/s", "B", "Hz", "s", "J", "m2")


def reading(read: Callable[[Any], Any]) -> BeforeValidator:
    """Return what reads a value of a study with *read*, whose mistakes are told with their place.

    >>> from typing import Annotated
    >>> from pydantic import TypeAdapter
    >>> TypeAdapter(Annotated[float, reading(lambda value: quantity(value, "B"))]).validate_python("2 KiB")
    2048.0
    """

    def told(value: Any) -> Any:
        try:
            return read(value)
        except FusemaxError as error:
            raise ValueError(str(error)) from None

    return BeforeValidator(told)


def bytes_value(value: Any) -> float:
    """Return a number of bytes as written in a study, which says its unit: ``2 B``, ``16bit``, ``64KiB``."""
    refuse_bare(value, "B")
    return quantity(value, "B")


def number_or_formula(name: str, value: Any) -> float | Expression:
    """Return *value* of the size or figure *name* as an SI float, or as a formula of other names.

    >>> number_or_formula("L3.size", "16 MiB")
    16777216.0
    >>> str(number_or_formula("1d.lanes", "2d.columns"))
    '2d.columns'
    """
    if is_figure(name):
        try:
            refuse_without_unit(name, value)
        except QuantityError as error:
            raise FusemaxError(f"{name}: {error}") from None
    first: QuantityError | None = None
    for unit in _units_of(name):
        try:
            found = _read(value, unit)
        except QuantityError as error:
            first = first or error
            continue
        if not isinstance(found, Number) and not formula_names(found):
            found = Number(value_of(found, {}))
            if first is not None and is_figure(name) and found.value:
                break  # without the unit that it needs
        return (
            allowed_value(name, found.value, value) if isinstance(found, Number) else substituted(found, {})
        )
    if len(_units_of(name)) < len(UNITS):
        said = str(first).replace("\nhint: ", "\n  hint: ")
        raise FusemaxError(f"{name}: {said}{misspelt(name) if is_figure(name) else ''}")
    raise FusemaxError(f"{name}: expected a number, a quantity such as '16 MiB', or a formula, got {value!r}")


def _units_of(name: str) -> tuple[str, ...]:
    """Return the units that *name* may be written in: its own and none, or any where *name* is a measure."""
    if is_figure(name):
        return tuple(dict.fromkeys((figure_kind(name).unit, "1")))
    return UNITS if name.islower() else ("1",)


def _read(value: Any, unit: str) -> Expression:
    """Return *value* as a number or formula; a number without a unit is in it; figures with units were checked."""
    if isinstance(value, bool) or not isinstance(value, str):
        return Number(quantity(value, unit))
    return formula(value, unit)


def allowed_value(name: str, found: float, written: Any) -> float:
    """Return *found*, the value of *name* as *written*; raise FusemaxError where the figure cannot have it."""
    try:
        return allowed(name, found, written) if is_figure(name) else found
    except QuantityError as error:
        raise FusemaxError(f"{name}: {error}") from None


def size_value(value: Any) -> Any:
    """Return a size as written in a study: a whole number (``1Ki``), or a formula of other sizes."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FusemaxError(f"expected a size such as 64, '1Ki' or 'B*P', got {value!r}")
    try:
        number = quantity(value, "1")
    except QuantityError:
        return substituted(formula(value, "1"), {})
    if not is_size(number):
        raise FusemaxError(f"expected {size_fault(number)}, got {value!r}")
    return int(number)
