"""Digits over the lanes of a unit: the ways to run them there, and the steps that the unit takes under each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusemax.mapping.lanes import across, turned
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
    return _spread(_open(facts, work, unit))


def steps_of(
    facts: Facts, work: Work, unit: str, variables: frozenset[str], reduced: frozenset[str] = frozenset()
) -> NDArray[np.float64]:
    """Return the steps of *unit* for what runs over *variables*, all iterations together: one for each of its options.

    Digits of *reduced* ones run in time where lanes do not add up.
    """
    mine = {d: float(n) for d, n in work.extents.items() if variable_of(facts, d) in variables}
    dimensions = _dimensions(facts, unit)
    extents = np.array([*mine.values()])[:, np.newaxis]
    summed = frozenset(d for d in mine if variable_of(facts, d) in reduced)
    sums = frozenset(facts.machine.units[unit].sums or ()) if summed else frozenset[str]()
    over = _over(_open(facts, work, unit), (*mine,), summed, sums)
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
        along = over_lanes(facts, unit, spatial, work.extents, piece)
        for digit, extent in work.extents.items():
            if variable_of(facts, digit) not in piece.variables:
                continue
            dimension = along.get(digit)
            if dimension is None:
                steps *= extent
            else:
                lanes[dimension] = lanes.get(dimension, 1) * extent
        for dimension, extent in lanes.items():
            steps *= ceil(extent / facts.lanes[unit][dimension])
        total += steps * piece.cycles
    return total


def over_lanes(facts: Facts, unit: str, spatial: Spatial, digits: Iterable[str], piece: Piece) -> Spatial:
    """Return the dimension of *unit* over which each of *digits* runs for *piece*; those that are not there run in time."""
    mine = [digit for digit in digits if variable_of(facts, digit) in piece.variables]
    given = {digit: along for digit, along in spatial.items() if digit in mine}
    reduced = [digit for digit in given if variable_of(facts, digit) in piece.reduced]
    return across(facts.machine, unit, given, reduced) if reduced else given


def _free(facts: Facts, work: Work, unit: str) -> tuple[str, ...]:
    tied = {facts.recurrent[unit][name] for name in work.part.einsums if name in facts.recurrent[unit]}
    return tuple(digit for digit in work.extents if variable_of(facts, digit) not in tied)


def _dimensions(facts: Facts, unit: str) -> tuple[str, ...]:
    return tuple(name for name, lanes in facts.lanes[unit].items() if lanes > 1)


class _Open(NamedTuple):
    """What may run over lanes: digits, dimensions, and those of them (``alike``) that take digits of one rank each, as
    :attr:`ranks` has them by digit: rows by which groups divide a memory."""

    digits: tuple[str, ...]
    dimensions: tuple[str, ...]
    alike: frozenset[str]
    ranks: tuple[str, ...]


def _open(facts: Facts, work: Work, unit: str) -> _Open:
    digits = _free(facts, work, unit)
    rows = {level.divided.rows for level in facts.machine.levels.values() if level.divided is not None}
    alike = frozenset(name for name in facts.lanes[unit] if f"{unit}.{name}" in rows)
    ranks = tuple(variable_of(facts, digit) for digit in digits) if alike else ()
    return _Open(digits, _dimensions(facts, unit), alike, ranks)


@lru_cache(maxsize=256)
def _spread(given: _Open) -> tuple[Spatial, ...]:
    """Return the ways to run digits over dimensions, up to two each; one each where there are more than five."""
    most = 1 if len(given.digits) > 5 else 2
    sets = [some for count in range(1, most + 1) for some in combinations(given.digits, count)]
    rank = dict(zip(given.digits, given.ranks, strict=True)) if given.alike else {}
    single = [some for some in sets if len({rank.get(digit) for digit in some}) == 1]
    choices = [[(), *(single if name in given.alike else sets)] for name in given.dimensions]
    found: list[Spatial] = []
    for chosen in product(*choices):
        used = [digit for some in chosen for digit in some]
        if len(set(used)) == len(used) and (used or not given.digits or not given.dimensions):
            found.append({d: dim for dim, some in zip(given.dimensions, chosen, strict=True) for d in some})
    return tuple(found)


@lru_cache(maxsize=1024)
def _over(
    given: _Open, asked: tuple[str, ...], reduced: frozenset[str], sums: frozenset[str]
) -> NDArray[np.bool_]:
    """Return whether each of the digits *asked* runs in time, and over each dimension: [time and dimensions, asked, ways].

    Those that are *reduced* do not run over dimensions other than *sums*.
    """
    ways = _spread(given)
    if reduced:
        ways = tuple(turned(sums, {d: way[d] for d in way if d in asked}, reduced) for way in ways)
    runs = [[[way.get(one) == where for way in ways] for one in asked] for where in (None, *given.dimensions)]
    return np.array(runs, dtype=bool).reshape(len(given.dimensions) + 1, len(asked), len(ways))
