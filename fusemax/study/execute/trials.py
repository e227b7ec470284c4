"""Points with several ways to be run: each tried, the best taken, and its rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemax.cost.lower import COMPILE_FROM, Grid, evaluate_grid, evaluate_points, lent_memory
from fusemax.study.jobs.choices import better
from fusemax.study.jobs.job import Alternative, Job
from fusemax.study.tables.rows import frame
from fusemax.study.tables.sought_rows import sought_measures, sought_table

if TYPE_CHECKING:
    import polars


BLOCK = 8192


COMPILE_ROWS_FROM = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Points ``start`` to ``stop`` of one job; ``number`` is its place among all chunks of a run."""

    number: int
    job: int
    start: int
    stop: int


def _compiled(job: Job) -> bool:
    return job.points >= COMPILE_FROM


def walk(job: Job, grid: Grid, start: int, stop: int, results: np.ndarray) -> None:
    """Write the outputs of the points from *start* to *stop*; a grid of few points has code for single ones alone."""
    if grid.nest is None:
        evaluate_points(grid, range(start, stop), results, compiled=False)
        return
    with lent_memory(grid) as memory:
        evaluate_grid(grid, start, stop, results, memory, _compiled(job))


def measured(job: Job, chunk: Chunk) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield block by block its first point, the measures and verdicts of the best trials, and which trial of all that is."""
    if job.sought is not None:
        points = np.arange(chunk.start, chunk.stop)
        yield chunk.start, sought_measures(job, points), np.zeros(len(points), dtype=np.int64)
        return
    for start in range(chunk.start, chunk.stop, BLOCK):
        stop = min(start + BLOCK, chunk.stop)
        best = np.empty((len(job.alternatives[0].measures.outputs), stop - start))
        taken = np.zeros(stop - start, dtype=np.int64)
        before = 0
        for each in job.alternatives:
            tried = np.empty((len(best), (stop - start) * each.trials))
            walk(job, each.measures, start * each.trials, stop * each.trials, tried)
            for trial in range(each.trials):
                _take(job, best, taken, tried[:, trial :: each.trials], before + trial)
            before += each.trials
        yield start, best, taken


def _take(job: Job, best: np.ndarray, taken: np.ndarray, tried: np.ndarray, number: int) -> None:
    """Put the values of the trial *number* where it is the first, or better than the best before it."""
    if number == 0:
        best[:] = tried
        return
    by = slice(len(best) - 1 - len(job.by), len(best) - 1)
    with np.errstate(invalid="ignore"):
        wins = better(tried[by], best[by])
    wins = (tried[-1] == 2.0) & ((best[-1] != 2.0) | wins)
    best[:, wins] = tried[:, wins]
    taken[wins] = number


def table_at(job: Job, points: np.ndarray) -> polars.DataFrame:
    """Return the full rows of single *points*, in their order: by its best trial, or why none can be run."""
    import polars

    if job.sought is not None:
        return sought_table(job, points)[0]
    order = "place"
    taken, verdict = _taken(job, points)
    frames: list[polars.DataFrame] = []
    before = 0
    for each in job.alternatives:
        mine = (taken >= before) & (taken < before + each.trials) & (verdict == 2.0)
        if not job.chooses:
            mine[:] = True
        if mine.any() or not (frames or len(points)):
            results = _at(job, each, points[mine] * each.trials + taken[mine] - before)
            found = frame(job, each, points[mine], results)
            frames.append(found.with_columns(polars.Series(order, np.nonzero(mine)[0])))
        before += each.trials
    lost = np.nonzero(verdict != 2.0)[0] if job.chooses else np.empty(0, dtype=np.int64)
    if len(lost):
        frames.append(_none_fits(job, points[lost]).with_columns(polars.Series(order, lost)))
    return polars.concat(frames, how="diagonal_relaxed").sort(order).drop(order)


def _taken(job: Job, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the trial that each of *points* takes, and its verdict."""
    taken, verdict = np.zeros(len(points), dtype=np.int64), np.full(len(points), 2.0)
    if not job.chooses or not len(points):
        return taken, verdict
    for first, last in _runs(points):
        start = int(points[first])
        part = Chunk(number=0, job=0, start=start, stop=start + last - first)
        found = [(block[-1], tried) for _, block, tried in measured(job, part)]
        verdict[first:last] = np.concatenate([one for one, _ in found])
        taken[first:last] = np.concatenate([one for _, one in found])
    return taken, verdict


def _runs(points: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where runs of points that follow one another begin and end."""
    ends = [0, *(np.nonzero(np.diff(points) != 1)[0] + 1).tolist(), len(points)]
    yield from itertools.pairwise(ends)


def _at(job: Job, each: Alternative, numbers: np.ndarray) -> np.ndarray:
    """Return the outputs of single points of a grid; in plain code where they are few, as there is nothing to compile then."""
    order = np.argsort(numbers, kind="stable")
    found = np.empty((len(each.table.outputs), len(numbers)))
    compiled = len(numbers) >= COMPILE_ROWS_FROM and _compiled(job)
    evaluate_points(each.table, numbers[order].tolist(), found, compiled)
    results = np.empty_like(found)
    results[:, order] = found
    return results


def _none_fits(job: Job, points: np.ndarray) -> polars.DataFrame:
    """Return rows that say of every alternative why it cannot run the *points*."""
    import polars

    frames = [
        frame(job, each, points, _at(job, each, points * each.trials), False) for each in job.alternatives
    ]
    names = ", ".join(dict.fromkeys(each.mapped.name for each in job.alternatives))
    said = zip(*(found["reason"] for found in frames), strict=True)
    reasons = polars.Series(
        "reason", ["; ".join(dict.fromkeys(texts)) for texts in said], dtype=polars.String
    )
    return frames[0].with_columns(reasons, polars.lit(names).alias("mapping"))
