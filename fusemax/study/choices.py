"""What a configuration may choose from: mappings, subsets of what they may keep, and sizes of tiles."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.language.value import is_size, value_of
from fusemax.study.spec import BestOf, Choice
from fusemax.study.values import number_or_formula

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


def tile_choices(tiles: Mapping[str, Any], known: Mapping[str, float]) -> list[dict[str, int]]:
    """Return every choice of *tiles* at a point whose sizes and figures are *known*: powers of two, and the whole.

    >>> tile_choices({"P1": "ceil(P/256)"}, {"P": 1280})
    [{'P1': 1}, {'P1': 2}, {'P1': 4}, {'P1': 5}]

    Raises
    ------
    FusemaxError
        When a formula names what is not known, or makes no whole number.
    """
    lists = [[(name, size) for size in _sizes(name, formula, known)] for name, formula in tiles.items()]
    return [dict(chosen) for chosen in itertools.product(*lists)]


def _sizes(name: str, formula: Any, known: Mapping[str, float]) -> list[int]:
    found = number_or_formula(name, formula)
    try:
        whole = found if isinstance(found, int | float) else value_of(found, known)
    except KeyError as error:
        raise FusemaxError(f"tiles.{name}: {error.args[0]!r} is no size or figure of the point") from None
    if not is_size(whole):
        raise FusemaxError(f"tiles.{name}: {formula} is {whole:g}, not a whole number of at least 1")
    most = int(whole)
    return sorted({*(2**n for n in range(most.bit_length()) if 2**n <= most), most})


def is_better(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether *one*'s measures are less than *other*'s: the first that differ by more than a billionth decide.

    >>> is_better([1.0, 5.0], [1.0 + 1e-12, 4.0]), is_better([0.9, 5.0], [1.0, 4.0])
    (False, True)
    """
    for mine, others in zip(one[:-1], other[:-1], strict=True):
        if abs(mine - others) > EQUAL * abs(others):
            return mine < others
    return one[-1] < other[-1]
