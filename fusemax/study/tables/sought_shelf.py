"""The structures that a grid of many points chooses from: those that full searches find at a few of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, product

from fusemax.errors import FusemaxError
from fusemax.search.many import Asked, Shelf, improved, shelf_of
from fusemax.study.jobs.job import Job
from fusemax.study.jobs.sought import sizes_and_figures, solved

FEW = 64  #: points of a job up to which every one is searched in full
VALUES = 6  #: values of an axis that are looked at, the others in the middle


@dataclass(frozen=True, slots=True)
class _Known:
    """A job by what its results depend on."""

    digest: str
    job: Job = field(compare=False)


def shelf_for(job: Job) -> Shelf | None:
    """Return the structures for the points of *job*; None where every one is searched in full.

    They depend on the whole job, not on a part of its points, and are found once in a process.
    """
    assert job.sought is not None
    if job.points <= FEW or job.sought.each:
        return None
    return _shelf(_Known(job.digest(), job))


@lru_cache(maxsize=4)
def _shelf(known: _Known) -> Shelf:
    job = known.job
    assert job.sought is not None
    sought = job.sought
    first = shelf_of(sought.cascade, sought.machine, list(_asked_at(job, corners_of(job))), sought.wanted)
    return improved(first, list(_asked_at(job, pairs_of(job))))


def _asked_at(job: Job, points: Iterable[int]) -> Iterator[Asked]:
    assert job.sought is not None
    for point in points:
        try:
            yield sizes_and_figures(job.sought.cascade, solved(job.sought, values_at(job, point)))
        except FusemaxError:  # a formula that makes no whole number there
            continue


def corners_of(job: Job) -> tuple[int, ...]:
    """Return the points that are searched in full: along each axis up to :data:`VALUES` with all others in the middle, and
    both ends of all axes together."""
    lengths = [job.outer.length, *(axis.length for axis in job.axes)]
    middle = [length // 2 for length in lengths]
    found = [middle, [0] * len(lengths), [length - 1 for length in lengths]]
    for number, length in enumerate(lengths):
        found += [[*middle[:number], value, *middle[number + 1 :]] for value in _spaced(length)]
    return tuple(dict.fromkeys(_point(lengths, places) for places in found))


def pairs_of(job: Job) -> tuple[int, ...]:
    """Return the points at the ends of every two axes, all others in the middle."""
    lengths = [job.outer.length, *(axis.length for axis in job.axes)]
    found: list[int] = []
    for one, other in combinations([n for n, length in enumerate(lengths) if length > 1], 2):
        for first, second in product((0, lengths[one] - 1), (0, lengths[other] - 1)):
            places = [length // 2 for length in lengths]
            places[one], places[other] = first, second
            found.append(_point(lengths, places))
    return tuple(dict.fromkeys(found))


def _spaced(length: int) -> Iterator[int]:
    count = min(length, VALUES)
    yield from (n * (length - 1) // max(count - 1, 1) for n in range(count))


def _point(lengths: list[int], places: list[int]) -> int:
    point = 0
    for length, place in zip(lengths, places, strict=True):
        point = point * length + place
    return point


def values_at(job: Job, point: int) -> dict[str, float]:
    """Return what stands on the axes at a *point* of a job, by name."""
    found: dict[str, float] = {}
    for axis in (*reversed(job.axes), job.outer):
        place = point if axis is job.outer else point % axis.length
        point //= axis.length
        found |= {name: values[place] for name, values in zip(axis.names, axis.values, strict=True)}
    return found
