"""The values that a formula reaches at all points of a grid, where they are few enough to be looked at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from fusemax.errors import FusemaxError
from fusemax.language.syntax import Expression, names
from fusemax.language.value import value_of
from fusemax.study.spec.axis import Axis

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
