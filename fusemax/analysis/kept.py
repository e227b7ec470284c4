"""Which coordinates of a fibre a tensor carries on, as intervals around the coordinates that the fibre fixes.

Narrowings say in words which conditions leave something out, and visits that share the words are compared. That does not tell
that ``m <= p`` and ``m >= p - 1`` leave the same two coordinates at the first or last p. Intervals do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from fusemax.analysis.filters import Filter
from fusemax.analysis.plain import INFINITY, Reading, Variable

Places = Mapping[
    str, tuple[int, int]
]  #: by variable: the coordinate that fixes it, and how far it stands from that one


@dataclass(frozen=True, slots=True)
class Kept:
    """What of a fibre is left, its coordinate c along ρ.

    Attributes
    ----------
    bands
        ``(k, low, high)``: c lies that far from the fibre's coordinate k.
    near
        ``("start" or "end", low, high)``: c lies that far from that end of the rank.
    gaps
        ``(k, distance)``: c does not lie there.
    first, last
        c is at least that far from the first, and from the last coordinate of the rank.
    """

    bands: tuple[tuple[int, float, float], ...] = ()
    near: tuple[tuple[str, float, float], ...] = ()
    gaps: tuple[tuple[int, float], ...] = ()
    first: int = 0
    last: int = 0

    def shifted(self, by: int) -> Kept:
        """Return what is left when the task at x reads coordinate ``x + by`` and runs as far as the rank."""
        return replace(self, first=max(self.first, by), last=min(self.last, by))

    def folded(self, k: int, whole: bool) -> Kept | None:
        """Return what is left when all places of coordinate *k*, none of the fibre's own, are taken together."""
        bands = [(low, high) for of, low, high in self.bands if of == k]
        gaps = [distance for of, distance in self.gaps if of == k]
        if not bands and not gaps:
            return self
        low = max((low for low, _ in bands), default=-INFINITY)
        high = min((high for _, high in bands), default=INFINITY)
        if not whole or low > high or (bands and gaps) or len(gaps) > 1:
            return None
        if low > 0 or high < 0:  # all places together, from the first to the last
            return replace(
                self.folded_beside(k), first=max(self.first, _int(low)), last=min(self.last, _int(high))
            )
        return self.folded_beside(k)

    def folded_beside(self, k: int) -> Kept:
        """Return what is left without what ties it to coordinate *k*."""
        others = tuple(band for band in self.bands if band[0] != k)
        return replace(self, bands=others, gaps=tuple(gap for gap in self.gaps if gap[0] != k))


def _int(distance: float) -> int:
    """Return a distance as a whole number, 0 for none."""
    return 0 if abs(distance) == INFINITY else int(distance)


def anywhere(kept: Kept, one: Filter, along: str, by: int) -> Kept:
    """Return what of *kept* is read for any place of the other variable of a condition."""
    low, high = _band(one, along)
    first = max(kept.first, _int(low) + by) if low > 0 else kept.first
    last = min(kept.last, _int(high) + by) if high < 0 else kept.last
    return replace(kept, first=first, last=last)


def narrowed(
    kept: Kept,
    filters: Sequence[Filter],
    along: str,
    by: int,
    places: Places,
    folded: Set[str],
    *,
    whole: bool = False,
) -> Kept | None:
    """Return what of *kept* is read under *filters*, where the task at *along* reads coordinate ``along + by``.

    Variables that are *folded* take every place; None where some condition has no such form. With *whole*, a rank in parts
    stands where all its parts do.
    """
    bands, gaps, near = list(kept.bands), list(kept.gaps), list(kept.near)
    any_place: dict[str, list[Filter]] = {}
    for one in filters:
        if along not in one.variables:
            continue
        if one.near is not None:
            near.append((one.near[0], one.near[1] + by, one.near[2] + by))
            continue
        others = [name for name in one.variables if name != along]
        band = _of_parts(one, along, places) if whole and len(others) > 1 else None
        if band is not None:
            bands.append((places[others[0]][0], by + band[0], by + band[1]))
            continue
        if len(others) != 1 or (one.difference is None and one.unequal is None):
            return None
        (other,) = others
        if other in folded:
            any_place.setdefault(other, []).append(one)
        elif other not in places:
            return None
        else:
            k, distance = places[other]
            if one.difference is None:
                gaps.append((k, distance + by))
            else:
                low, high = _band(one, along)
                bands.append((k, distance + by + low, distance + by + high))
    found = replace(kept, bands=tuple(bands), gaps=tuple(gaps), near=tuple(near))
    for name, on_it in any_place.items():
        if _anywhere(name, on_it, filters):
            continue
        if not _at_some_place(name, on_it, filters, along):
            return None
        for one in on_it:
            found = anywhere(found, one, along, by)
    return found


def _of_parts(one: Filter, along: str, places: Places) -> tuple[float, float] | None:
    """Return in what interval *along* lies beside a rank whose parts all stand at the corner; None for anything else."""
    if one.whole is None:
        return None
    first, second, low, high = one.whole
    if first != {along}:
        first, second, low, high = second, first, -high, -low
    stand = first == {along} and all(name in places and places[name][1] == 0 for name in second)
    return (low, high) if stand else None


def _band(one: Filter, along: str) -> tuple[float, float]:
    """Return in what interval *along* lies beside the other variable."""
    assert one.difference is not None
    first, _, low, high = one.difference
    return (low, high) if first == along else (-high, -low)


def _anywhere(name: str, on_it: Iterable[Filter], filters: Sequence[Filter]) -> bool:
    """Return whether every coordinate along the fibre meets the conditions *on_it* for some place of variable *name*."""
    found = list(on_it)
    if any(name in one.variables for one in filters if one not in found):
        return False
    if len(found) == 1 and found[0].unequal is not None:
        return True
    return all(map(on_diagonal, found))


def _at_some_place(name: str, on_it: Sequence[Filter], filters: Sequence[Filter], along: str) -> bool:
    """Return whether the conditions *on_it* are all those on *name*, and leave it a place beside some of *along*."""
    if len(on_it) < sum(name in one.variables for one in filters):
        return False
    bands = [_band(one, along) for one in on_it if one.difference is not None]
    if len(bands) < len(on_it):
        return False
    return max(low for low, _ in bands) <= min(high for _, high in bands)


def places_of(reading: Reading, traces: Sequence[tuple]) -> dict[str, tuple[int, int]]:
    """Return where the variables of *reading* stand that coordinates of the fibre fix, by *traces* of those."""
    found: dict[str, tuple[int, int]] = {}
    for k, trace in enumerate(traces):
        index = reading.indices[trace[1]] if trace[0] == "at" else None
        if isinstance(index, Variable):
            found.setdefault(index.name, (k, trace[2] - index.offset))
    return found


def on_diagonal(one: Filter) -> bool:
    """Return whether a condition holds wherever its two variables stand at one place."""
    return one.difference is not None and one.difference[2] <= 0 <= one.difference[3]


def loose_folded(
    kept: Kept | None,
    reading: Reading,
    traces: Sequence[tuple],
    ranks: int,
    folded: Set[str],
    filters: Sequence[Filter],
) -> Kept | None:
    """Return what is left of *kept* where *reading* folds coordinates that are none of the fibre's own *ranks*.

    Under *filters* of its own they stand where the coordinate along the fibre does, or it is not known what is left.
    """
    for k in range(ranks, len(traces)):
        if kept is None or traces[k][0] != "at":
            continue
        index = reading.indices[traces[k][1]]
        if isinstance(index, Variable) and index.name not in folded:
            continue
        whole = isinstance(index, Variable) and index.offset == traces[k][2]
        tied = [one for one in filters if whole and index.name in one.variables]
        apart = any(of == k for of, _ in kept.gaps) and tied
        kept = kept.folded(k, whole and not apart and all(map(on_diagonal, tied)))
    return kept
