"""Sizes and figures as a user of Python gives them: numbers, quantities with units, formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import allowed, figure_kind, is_figure
from fusemax.language.formula import formula, formula_names
from fusemax.language.syntax import Expression, Number
from fusemax.language.value import is_size, size_fault, value_of
from fusemax.library.values import shown
from fusemax.quantity import QuantityError
from fusemax.source import LARGEST_EXACT


def sizes_and_figures(values: Mapping[str, Any]) -> tuple[dict[str, int], dict[str, float]]:
    """Return the sizes and the figures of the machine among *values*, as numbers in SI.

    Sizes are whole numbers, texts such as ``"16Ki"``, or formulas of other sizes; a figure that has a unit is given with it.

    >>> sizes_and_figures({"M": "4Ki", "P": "M/2", "L3.size": "1 MiB"})
    ({'M': 4096, 'P': 2048}, {'L3.size': 1048576.0})

    Raises
    ------
    FusemaxError
        With every value that cannot be meant.
    """
    sizes: dict[str, int] = {}
    figures: dict[str, float] = {}
    waiting: dict[str, Expression] = {}
    mistakes: list[str] = []
    for name, value in values.items():
        if type(value) is int and 1 <= value <= LARGEST_EXACT and not is_figure(name):
            sizes[name] = value
            continue
        try:
            _sort(name, value, sizes, figures, waiting)
        except QuantityError as error:
            mistakes.append(f"{name}: {error}".replace("\nhint", "\n  hint"))
    mistakes += _solve(waiting, sizes) if not mistakes else []
    if mistakes:
        raise FusemaxError("\n".join(mistakes))
    return sizes, figures


def _sort(
    name: str, value: Any, sizes: dict[str, int], figures: dict[str, float], waiting: dict[str, Expression]
) -> None:
    plain = value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
    if isinstance(plain, bool) or not isinstance(plain, str | int | float):
        wanted = "a number or a quantity" if is_figure(name) else "a whole number"
        raise QuantityError(f"expected {wanted}, got {shown(value)}")
    if isinstance(plain, int) and plain.bit_length() > 1024:
        raise QuantityError("a whole number too large for double precision")
    if is_figure(name):
        figures[name] = _figure(name, plain)
        return
    found = formula(plain, "1")
    if not isinstance(found, Number):
        waiting[name] = found
    elif is_size(found.value):
        sizes[name] = int(found.value)
    else:
        raise QuantityError(f"expected {size_fault(found.value)}, got {shown(value)}")


def _figure(name: str, value: str | float) -> float:
    found = formula(value, figure_kind(name).unit)
    if not isinstance(found, Number):
        raise QuantityError(f"expected a number or a quantity, got the formula {value!r}")
    return allowed(name, float(found.value), value)


def _solve(waiting: dict[str, Expression], sizes: dict[str, int]) -> list[str]:
    """Put the sizes that are formulas of others among *sizes*; return what is wrong with them."""
    mistakes: list[str] = []
    while waiting:
        ready = [
            name for name, value in waiting.items() if all(used in sizes for used in formula_names(value))
        ]
        if not ready:
            missing = {used for value in waiting.values() for used in formula_names(value)} - set(sizes)
            return [*mistakes, f"{', '.join(waiting)}: no size is given for {', '.join(sorted(missing))}"]
        for name in ready:
            value = value_of(waiting.pop(name), sizes)
            if not is_size(value):
                mistakes.append(f"{name}: expected {size_fault(value)}, got {value:g}")
            sizes[name] = int(value) if is_size(value) else 1
    return mistakes
