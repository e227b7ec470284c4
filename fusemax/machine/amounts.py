"""The kinds of quantity that a machine's file holds: bytes, hertz, joules; each a number or a formula of other figures."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from fusemax.language.formula import formula
from fusemax.language.syntax import Expression, Number
from fusemax.quantity import QuantityError


def _read(unit: str, positive: bool, value: Any) -> Any:
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a quantity in {unit}, got {value!r}")
    try:
        result = formula(value, unit)
    except QuantityError as error:
        raise ValueError(str(error)) from None
    if isinstance(result, Number) and (result.value < 0 or (positive and result.value == 0)):
        raise ValueError(
            f"expected more than zero, got {value!r}"
            if positive
            else f"expected no less than zero, got {value!r}"
        )
    return result


def _count(value: Any) -> Any:
    result = _read("1", True, value)
    if isinstance(result, Number) and result.value != int(result.value):
        raise ValueError(f"expected a whole number, got {value!r}")
    return result


def _in_file(unit: str, example: str) -> WithJsonSchema:
    """Return what an editor is told of a quantity: how a file writes it."""
    text = f"a quantity in {unit}, such as {example}, or a formula of other figures"
    return WithJsonSchema({"type": ["string", "number"], "description": text})


Bytes = Annotated[Any, BeforeValidator(partial(_read, "B", True)), _in_file("B", "16 MiB")]
BytesPerSecond = Annotated[Any, BeforeValidator(partial(_read, "B/s", True)), _in_file("B/s", "400 GB/s")]
Hertz = Annotated[Any, BeforeValidator(partial(_read, "Hz", True)), _in_file("Hz", "940 MHz")]
Seconds = Annotated[Any, BeforeValidator(partial(_read, "s", False)), _in_file("s", "2.5 us")]
Joules = Annotated[Any, BeforeValidator(partial(_read, "J", False)), _in_file("J", "17.2 pJ")]
SquareMetres = Annotated[Any, BeforeValidator(partial(_read, "m2", False)), _in_file("m2", "0.4 mm2")]
Watts = Annotated[Any, BeforeValidator(partial(_read, "W", False)), _in_file("W", "10 mW")]
Cycles = Annotated[Any, BeforeValidator(partial(_read, "1", False)), _in_file("cycles", "4")]
Count = Annotated[Any, BeforeValidator(_count), _in_file("one", "256")]
