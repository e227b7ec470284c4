"""What a configuration may choose from: mappings, subsets of what they may keep, and sizes of tiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fusemax.errors import FusemaxError
from fusemax.study.spec.choice import BestOf, Choice

EQUAL = 1e-9  #: relative difference below which two values count as equal, and the next measure decides
MOST = 4096  #: ways of one configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run a point: a mapping with its changes, and the tiles that are still to be chosen."""

    mapping: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    resident: tuple[str, ...] = ()
    tiles: Mapping[str, Any] = field(default_factory=dict)

    def words(self, tiles: Mapping[str, int]) -> str:
        """Return what is printed for the way with *tiles* chosen.

        >>> Way(mapping="fused", resident=("Q", "K")).words({"P1": 4})
        'fused, P1=4, Q K resident'
        """
        chosen = [f"{name}={size}" for name, size in tiles.items()]
        kept = [f"{' '.join(self.resident)} resident"] if self.resident else []
        return ", ".join([self.mapping, *chosen, *kept])


def ways_of(mapping: str | BestOf, changes: Mapping[str, Any]) -> tuple[Way, ...]:
    """Return all ways that *mapping* allows, with the *changes* of the configuration made to each.

    Raises
    ------
    FusemaxError
        For too many, and for entries of ``perhaps`` at a place without a list.
    """
    if isinstance(mapping, str):
        return (Way(mapping=mapping, changes=changes),)
    found = tuple(way for choice in mapping.best_of for way in _ways(choice, changes))
    if len(found) > MOST:
        raise FusemaxError(f"{len(found):,} ways to choose from; at most {MOST:,}")
    return found


def _ways(choice: Choice, changes: Mapping[str, Any]) -> Iterator[Way]:
    own = {**changes, **choice.changes}
    lists = [[(place, entry) for entry in entries] for place, entries in choice.perhaps.items()]
    every = list(itertools.chain.from_iterable(lists))
    if len(every) > MOST.bit_length():
        raise FusemaxError(
            f"perhaps: {len(every)} entries have too many subsets; at most {MOST.bit_length()}"
        )
    for count in range(len(every) + 1):
        for subset in itertools.combinations(every, count):
            extended = {place: list(_listed(own, place)) for place in choice.perhaps} if subset else {}
            for place, entry in subset:
                extended[place].append(entry)
            names = tuple(_name(entry) for _, entry in subset)
            yield Way(mapping=choice.mapping, changes={**own, **extended}, resident=names, tiles=choice.tiles)


def _listed(changes: Mapping[str, Any], place: str) -> Sequence[Any]:
    found = changes.get(place)
    if not isinstance(found, list):
        raise FusemaxError(
            f"perhaps: {place} is not among the changes\n  hint: give there what is kept in any case, as a list"
        )
    return found


def _name(entry: Any) -> str:
    return str(entry.get("tensor", entry)) if isinstance(entry, Mapping) else str(entry)


def exponents(most: float) -> tuple[float, ...]:
    """Return 1, 2, 4, ... up to the first that is no less than *most*: what a tile of at most that is tried at.

    >>> exponents(5.0)
    (1.0, 2.0, 4.0, 8.0)
    """
    return tuple(2.0**n for n in range(max(0, math.ceil(math.log2(max(most, 1.0)))) + 1))


def better(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return, by point, whether *one*'s measures (float64[by, points]) are less than *other*'s.

    The first that differ by more than a billionth decide, else the last.

    >>> better(np.array([[1.0, 0.9], [5.0, 5.0]]), np.array([[1.0 + 1e-12, 1.0], [4.0, 4.0]])).tolist()
    [False, True]
    """
    less = one[-1] < other[-1]
    for mine, others in zip(one[-2::-1], other[-2::-1], strict=True):
        less = np.where(np.abs(mine - others) > EQUAL * np.abs(others), mine < others, less)
    return less
