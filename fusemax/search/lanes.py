"""Digits over the lanes of a unit: the ways to run them there, and the steps that the unit takes under each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from fusemax.search.facts import Facts, Piece
from fusemax.search.shapes import Part, variable_of

Spatial = Mapping[str, str]  #: the dimension of a unit over which a digit runs


@dataclass(frozen=True, slots=True)
class Work:
    """A part with sizes: extents of the digits inside its body by name, and the iterations of the loops around it."""

    part: Part
    extents: Mapping[str, int]
    iterations: float


def options(facts: Facts, work: Work, unit: str) -> tuple[Spatial, ...]:
    """Return the ways to run digits of a body over the dimensions of *unit*: up to two digits a dimension of several lanes.

    Never those of the loop of a recurrence whose Einsums the unit may do: their iterations follow one another.
    """
    return _spread(_free(facts, work, unit), _dimensions(facts, unit))


def steps_of(facts: Facts, work: Work, unit: str, variables: frozenset[str]) -> NDArray[np.float64]:
    """Return the steps of *unit* for what runs over *variables*, all iterations together: one for each of its options."""
    mine = {d: float(n) for d, n in work.extents.items() if variable_of(facts, d) in variables}
    dimensions = _dimensions(facts, unit)
    extents = np.array([*mine.values()])[:, np.newaxis]
    over = _over(_free(facts, work, unit), dimensions, (*mine,))
    time, *spread = np.where(over, extents, 1.0).prod(axis=1)
    steps = work.iterations * time
    for held, dimension in zip(spread, dimensions, strict=True):
        steps = steps * np.ceil(held / facts.lanes[unit][dimension])
    return steps


def cycles_of(facts: Facts, work: Work, unit: str, spatial: Spatial, pieces: Sequence[Piece]) -> float:
    """Return the cycles of *unit* for *pieces*, all iterations together."""
    total = 0.0
    for piece in pieces:
        steps = work.iterations
        lanes: dict[str, int] = {}
        for digit, extent in work.extents.items():
            if variable_of(facts, digit) not in piece.variables:
                continue
            dimension = spatial.get(digit)
            if dimension is None:
                steps *= extent
            else:
                lanes[dimension] = lanes.get(dimension, 1) * extent
        for dimension, extent in lanes.items():
            steps *= ceil(extent / facts.lanes[unit][dimension])
        total += steps * piece.cycles
    return total


def _free(facts: Facts, work: Work, unit: str) -> tuple[str, ...]:
    tied = {facts.recurrent[unit][name] for name in work.part.einsums if name in facts.recurrent[unit]}
    return tuple(digit for digit in work.extents if variable_of(facts, digit) not in tied)


def _dimensions(facts: Facts, unit: str) -> tuple[str, ...]:
    return tuple(name for name, lanes in facts.lanes[unit].items() if lanes > 1)


@lru_cache(maxsize=256)
def _spread(digits: tuple[str, ...], dimensions: tuple[str, ...]) -> tuple[Spatial, ...]:
    """Return the ways to run *digits* over *dimensions*, up to two each; one each where there are more than five."""
    most = 1 if len(digits) > 5 else 2
    sets = [some for count in range(1, most + 1) for some in combinations(digits, count)]
    found: list[Spatial] = []
    for chosen in product([(), *sets], repeat=len(dimensions)):
        used = [digit for some in chosen for digit in some]
        if len(set(used)) == len(used) and (used or not digits or not dimensions):
            found.append({d: dim for dim, some in zip(dimensions, chosen, strict=True) for d in some})
    return tuple(found)


@lru_cache(maxsize=1024)
def _over(digits: tuple[str, ...], dimensions: tuple[str, ...], asked: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return whether each of the digits *asked* runs in time, and over each dimension: [time and dimensions, asked, ways]."""
    ways = _spread(digits, dimensions)
    runs = [[[way.get(one) == where for way in ways] for one in asked] for where in (None, *dimensions)]
    return np.array(runs, dtype=bool).reshape(len(dimensions) + 1, len(asked), len(ways))
