"""The values of an axis: those of a list, of a range, or a single one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.figure import figure_kind, is_figure
from fusemax.language.value import size_fault
from fusemax.source import LARGEST_EXACT
from fusemax.study.spec.values import allowed_value, number_or_formula

RANGE_KEYS = ("from", "to", "steps", "scale", "round")


SCALES = ("linear", "log")


MOST_STEPS = 1_000_000  #: values on one axis


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
    found = [allowed_value(name, value, value) for value in found]
    if len(set(found)) < len(found):
        raise FusemaxError(f"{name}: {steps} steps repeat values\n  hint: take fewer steps")
    return tuple(found)


def _step(first: float, last: float, part: float, scale: str) -> float:
    """Return a value of a range; one within a billionth of a whole number is that number."""
    value = first * (last / first) ** part if scale == "log" else first + (last - first) * part
    whole = float(round(value))
    return whole if math.isclose(value, whole, rel_tol=1e-9, abs_tol=0.0) else value
