"""One chunk of a job: computed in blocks that stay in the processor's cache, returned as a table with its counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemax.cost.lower import COMPILE_FROM, Grid, evaluate_grid, evaluate_points, lent_memory
from fusemax.study.choices import better
from fusemax.study.jobs import Alternative, Job, Keep
from fusemax.study.rows import frame
from fusemax.study.sought_rows import sought_measures, sought_table

if TYPE_CHECKING:
    import polars

    from fusemax.cost.front import Best, Front

BLOCK = 8192
COMPILE_ROWS_FROM = 10_000
NUMBER, EQUAL = "point", "equal_points"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many points there were, how many a condition left out, how many did not fit, how many had no finite measure."""

    points: int = 0
    left_out: int = 0
    no_room: int = 0
    no_value: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            points=self.points + other.points,
            left_out=self.left_out + other.left_out,
            no_room=self.no_room + other.no_room,
            no_value=self.no_value + other.no_value,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Points ``start`` to ``stop`` of one job; ``number`` is its place among all chunks of a run."""

    number: int
    job: int
    start: int
    stop: int


def chunk_table(job: Job, chunk: Chunk) -> tuple[polars.DataFrame, Counts]:
    """Return the rows that *chunk* keeps, and the counts of all its points."""
    return _every(job, chunk) if job.keep.kind == "all" else _few(job, chunk)


def _every(job: Job, chunk: Chunk) -> tuple[polars.DataFrame, Counts]:
    points = np.arange(chunk.start, chunk.stop)
    if job.sought is not None:
        found, verdict = sought_table(job, points)
        return found, _counts(verdict)
    if job.chooses:
        verdict = np.concatenate([block[-1] for _, block, _ in _measured(job, chunk)])
        kept = points[verdict > 0]
        return table_at(job, kept), _counts(verdict)
    (only,) = job.alternatives
    results = np.empty((len(only.table.outputs), len(points)))
    _walk(job, only.table, chunk.start, chunk.stop, results)
    verdict = results[-1]
    counts = _counts(verdict)
    if counts.left_out:
        points, results = points[verdict > 0], results[:, verdict > 0]
    return frame(job, only, points, results), counts


def _few(job: Job, chunk: Chunk) -> tuple[polars.DataFrame, Counts]:
    table = new_selection(job.keep)
    counts = Counts()
    turned = np.array(job.keep.signs)[:, None]
    for start, block, _ in _measured(job, chunk):
        measures = block[: len(turned)]
        if turned.min() < 0:
            measures = measures * turned
        fits = block[-1] == 2.0
        good = fits & np.isfinite(measures).all(axis=0)
        table.add(measures, np.arange(start, start + len(fits), dtype=np.float64), good.astype(np.float64))
        lost = Counts(no_value=int(np.count_nonzero(fits)) - int(np.count_nonzero(good)))
        counts = counts + _counts(block[-1]) + lost
    return _selection_frame(table.table()), counts


def _compiled(job: Job) -> bool:
    return job.points >= COMPILE_FROM


def _walk(job: Job, grid: Grid, start: int, stop: int, results: np.ndarray) -> None:
    """Write the outputs of the points from *start* to *stop*; a grid of few points has code for single ones alone."""
    if grid.nest is None:
        evaluate_points(grid, range(start, stop), results, compiled=False)
        return
    with lent_memory(grid) as memory:
        evaluate_grid(grid, start, stop, results, memory, _compiled(job))


def _measured(job: Job, chunk: Chunk) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
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
            _walk(job, each.measures, start * each.trials, stop * each.trials, tried)
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
        found = [(block[-1], tried) for _, block, tried in _measured(job, part)]
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


def _selection_frame(rows: np.ndarray) -> polars.DataFrame:
    """Return what a chunk of a selection leaves: the numbers of its points, how many equal each, and their measures."""
    import polars

    numbers = {NUMBER: rows[:, -2].astype(np.int64), EQUAL: rows[:, -1].astype(np.int64)}
    return polars.DataFrame(numbers | {f"measure_{m}": rows[:, m] for m in range(rows.shape[1] - 2)})


def new_selection(keep: Keep) -> Front | Best:
    """Return an empty table for the points that *keep* asks for."""
    from fusemax.cost.front import Best, Front

    return Front(len(keep.measures)) if keep.kind == "front" else Best(keep.most)


def rows_at(job: Job, points: np.ndarray, equal: np.ndarray) -> polars.DataFrame:
    """Return the full rows of single *points*, with their numbers and how many equal each."""
    import polars

    numbered = (polars.Series(NUMBER, points), polars.Series(EQUAL, equal.astype(np.int64)))
    return table_at(job, points).with_columns(numbered)


def _counts(verdict: np.ndarray) -> Counts:
    return Counts(
        points=len(verdict),
        left_out=int(np.count_nonzero(verdict == 0.0)),
        no_room=int(np.count_nonzero(verdict == 1.0)),
    )
