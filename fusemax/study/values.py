"""Values on the axes of a grid: lists, ranges, quantities and formulas as a study writes them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BeforeValidator

from fusemax.errors import FusemaxError
from fusemax.language.figure import allowed, figure_kind, is_figure, misspelt, refuse_without_unit
from fusemax.language.formula import formula, substituted
from fusemax.language.syntax import Expression, Number, names
from fusemax.language.value import size_fault, value_of
from fusemax.quantity import QuantityError, quantity
from fusemax.source import LARGEST_EXACT
from fusemax.study.axis import Axis

UNITS = ("1", "B/s", "B", "Hz", "s", "J", "m2")
RANGE_KEYS = ("from", "to", "steps", "scale", "round")
SCALES = ("linear", "log")
MOST_STEPS = 1_000_000  #: values on one axis


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
        return _allowed(name, found.value, value) if isinstance(found, Number) else substituted(found, {})
    if len(_units_of(name)) < len(UNITS):
        raise FusemaxError(f"{name}: {first}{misspelt(name) if is_figure(name) else ''}")
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


def _allowed(name: str, found: float, written: Any) -> float:
    try:
        return allowed(name, found, written) if is_figure(name) else found
    except QuantityError as error:
        raise FusemaxError(f"{name}: {error}") from None


def numbers(name: str, value: Any) -> tuple[float, ...]:
    """Return the values of an axis: those of a list, of a range, or a single one.

    >>> numbers("L3.size", {"from": "1 MiB", "to": "4 MiB", "steps": 3, "scale": "log"})
    (1048576.0, 2097152.0, 4194304.0)
    """
    if isinstance(value, Mapping):
        return _range(name, value)
    listed = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not listed:
        raise FusemaxError(f"{name}: an empty list has no points")
    found = tuple(_number(name, entry) for entry in listed)
    if is_whole(name):
        _refuse_fractions(name, found)
    if len(set(found)) < len(found):
        raise FusemaxError(f"{name}: a value stands twice in {list(value)!r}")
    return found


def is_whole(name: str) -> bool:
    """Return whether *name* is a size or a tile: a whole number of at least 1."""
    return not is_figure(name)


def _number(name: str, value: Any) -> float:
    found = number_or_formula(name, value)
    if not isinstance(found, float):
        raise FusemaxError(f"{name}: the values on an axis are numbers, got the formula {value!r}")
    if found < 0:
        raise FusemaxError(f"{name}: expected no less than zero, got {value!r}")
    return found


def _refuse_fractions(name: str, values: Sequence[float]) -> None:
    for value in values:
        if value > LARGEST_EXACT:
            raise FusemaxError(f"{name}: a size is {size_fault(value)}, got {value:g}")
        if value < 1 or value != int(value):
            hint = "add 'round: 1' to the range, or a larger multiple such as 'round: 128'"
            raise FusemaxError(f"{name}: expected whole numbers of at least 1, got {value:g}\n  hint: {hint}")


def _range(name: str, given: Mapping[str, Any]) -> tuple[float, ...]:
    unknown = [key for key in given if key not in RANGE_KEYS]
    missing = [key for key in ("from", "to", "steps") if key not in given]
    if unknown or missing:
        what = f"unknown key {unknown[0]!r}" if unknown else f"{missing[0]!r} is missing"
        raise FusemaxError(
            f"{name}: {what} in a range; it is written {{from: 1, to: 64, steps: 7, scale: log}}"
        )
    first, last = _number(name, given["from"]), _number(name, given["to"])
    steps, scale = given["steps"], given.get("scale", "linear")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 2:
        raise FusemaxError(f"{name}: 'steps' is the number of values, at least 2, got {steps!r}")
    if steps > MOST_STEPS:
        raise FusemaxError(f"{name}: 'steps' is at most {MOST_STEPS:,}, got {steps:,}")
    if scale not in SCALES:
        raise FusemaxError(f"{name}: 'scale' is one of {', '.join(SCALES)}, got {scale!r}")
    if scale == "log" and (first <= 0 or last <= 0):
        raise FusemaxError(f"{name}: a range on a log scale starts above zero")
    found = [_step(first, last, number / (steps - 1), scale) for number in range(steps)]
    if "round" in given:
        multiple = _number(name, given["round"])
        if multiple <= 0:
            raise FusemaxError(f"{name}: 'round' is more than zero, got {given['round']!r}")
        found = [round(value / multiple) * multiple for value in found]
    if is_whole(name) or figure_kind(name).whole:
        _refuse_fractions(name, found)
    found = [_allowed(name, value, value) for value in found]
    if len(set(found)) < len(found):
        raise FusemaxError(f"{name}: {steps} steps repeat values\n  hint: take fewer steps")
    return tuple(found)


def _step(first: float, last: float, part: float, scale: str) -> float:
    """Return a value of a range; one within a billionth of a whole number is that number."""
    value = first * (last / first) ** part if scale == "log" else first + (last - first) * part
    whole = float(round(value))
    return whole if math.isclose(value, whole, rel_tol=1e-9, abs_tol=0.0) else value


MOST_TRIED = 100_000  #: combinations of values at which a formula is worked out one by one


class TooManyError(FusemaxError):
    """More values than can be looked at one by one."""


class _Known(Mapping[str, float]):
    """Names with numbers, and with formulas of others, worked out when they are asked for."""

    def __init__(self, numbers: Mapping[str, float], formulas: Mapping[str, Expression]) -> None:
        self.numbers, self.formulas = numbers, formulas

    def __getitem__(self, name: str) -> float:
        return self.numbers[name] if name in self.numbers else value_of(self.formulas[name], self)

    def __iter__(self) -> Iterator[str]:
        return iter({**self.numbers, **self.formulas})

    def __len__(self) -> int:
        return len({**self.numbers, **self.formulas})


def values_at(
    expression: Expression, points: Sequence[Mapping[str, float]], axes: Sequence[Axis],
    known: Mapping[str, float], formulas: Mapping[str, Expression],
) -> Iterator[tuple[Mapping[str, float], float]]:  # fmt: skip
    """Yield the values of *expression* at all *points* and on all *axes* that it depends on, with those of what it depends on.

    Raises
    ------
    KeyError
        For a name that nothing gives.
    TooManyError
        For more than 100,000 values.
    """
    needed = names_behind(expression, formulas)
    walked = [axis for axis in axes if needed & set(axis.names)]
    count = len(points) * math.prod(axis.length for axis in walked)
    if count > MOST_TRIED:
        raise TooManyError(
            f"{expression}: {count:,} values are too many to be looked at; at most {MOST_TRIED:,}"
        )
    rows = [
        [dict(zip(axis.names, row, strict=True)) for row in zip(*axis.values, strict=True)] for axis in walked
    ]
    for point, *chosen in itertools.product(points, *rows):
        own = {name: value for part in (point, *chosen) for name, value in part.items()}
        value = value_of(expression, _Known({**known, **own}, formulas))
        yield {name: own[name] for name in own if name in needed}, value


def names_behind(expression: Expression, formulas: Mapping[str, Expression]) -> set[str]:
    """Return the names in *expression*, and in the *formulas* of those."""
    found: set[str] = set()
    waiting = list(names(expression))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += names(formulas[name]) if name in formulas else ()
    return found
