"""One chunk of a job: computed in blocks that stay in the processor's cache, returned as a table with its counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemax.cost.lower import COMPILE_FROM, evaluate_grid, evaluate_points, lent_memory
from fusemax.errors import FusemaxError
from fusemax.study.jobs import Job, Keep, axis_columns

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
    results = np.empty((len(job.table.outputs), chunk.stop - chunk.start))
    compiled = job.points >= COMPILE_FROM
    with lent_memory(job.table) as memory:
        evaluate_grid(job.table, chunk.start, chunk.stop, results, memory, compiled)
    verdict = results[-1]
    counts = _counts(job, chunk.start, verdict)
    points = np.arange(chunk.start, chunk.stop)
    if counts.left_out:
        kept = verdict > 0
        points, results = points[kept], results[:, kept]
    return frame(job, points, results), counts


def _few(job: Job, chunk: Chunk) -> tuple[polars.DataFrame, Counts]:
    table = new_selection(job.keep)
    counts = Counts()
    with lent_memory(job.measures) as memory:
        for start in range(chunk.start, chunk.stop, BLOCK):
            results = np.empty((len(job.measures.outputs), min(BLOCK, chunk.stop - start)))
            stop = start + results.shape[1]
            evaluate_grid(job.measures, start, stop, results, memory, job.points >= COMPILE_FROM)
            counts = counts + _counts(job, start, results[-1]) + _selected(job, table, start, results)
    return _selection_frame(table.table()), counts


def _selected(job: Job, table: Front | Best, start: int, results: np.ndarray) -> Counts:
    """Put the points from *start* on into *table*, and count those that fit without a finite measure."""
    turned = np.array(job.keep.signs)[:, None]
    measures = results[:-1] * turned if turned.min() < 0 else results[:-1]
    fits = results[-1] == 2.0
    good = fits & np.isfinite(measures).all(axis=0)
    numbers = np.arange(start, start + results.shape[1], dtype=np.float64)
    table.add(measures, numbers, good.astype(np.float64))
    return Counts(no_value=int(np.count_nonzero(fits)) - int(np.count_nonzero(good)))


def _selection_frame(rows: np.ndarray) -> polars.DataFrame:
    """Return what a chunk of a selection leaves: the numbers of its points, how many equal each, and their measures."""
    import polars

    numbers = {NUMBER: rows[:, -2].astype(np.int64), EQUAL: rows[:, -1].astype(np.int64)}
    return polars.DataFrame(numbers | {f"measure_{m}": rows[:, m] for m in range(rows.shape[1] - 2)})


def new_selection(keep: Keep):
    """Return an empty table for the points that *keep* asks for."""
    from fusemax.cost.front import Best, Front

    return Front(len(keep.measures)) if keep.kind == "front" else Best(keep.most)


def rows_at(job: Job, points: np.ndarray, equal: np.ndarray) -> polars.DataFrame:
    """Return the full rows of single *points*; a few of them in plain code, as there is nothing to compile then."""
    import polars

    results = np.empty((len(job.table.outputs), len(points)))
    order = np.argsort(points, kind="stable")
    compiled = len(points) >= COMPILE_ROWS_FROM and job.points >= COMPILE_FROM
    sorted_results = np.empty_like(results)
    evaluate_points(job.table, points[order].tolist(), sorted_results, compiled)
    results[:, order] = sorted_results
    numbered = (polars.Series(NUMBER, points), polars.Series(EQUAL, equal.astype(np.int64)))
    return frame(job, points, results).with_columns(numbered)


def _counts(job: Job, start: int, verdict: np.ndarray) -> Counts:
    lowest = verdict.min()
    if lowest == 2.0:
        return Counts(points=len(verdict))
    if lowest < 0:
        point = start + int(np.argmin(verdict))
        at = {name: values[0] for name, values in axis_columns(job.axes, np.array([point])).items()}
        listed = ", ".join(f"{name}={value}" for name, value in at.items())
        raise FusemaxError(
            f"{dict(job.identity)['part']}: a formula gives a size that is no whole number at {listed}"
            "\n  hint: leave such points out with a condition under 'where'"
        )
    return Counts(
        points=len(verdict),
        left_out=int(np.count_nonzero(verdict == 0.0)),
        no_room=int(np.count_nonzero(verdict == 1.0)),
    )


def frame(job: Job, points: np.ndarray, results: np.ndarray) -> polars.DataFrame:
    """Return the table of *points* from ``results`` (float64[outputs, points]); values that do not fit are null."""
    import polars

    fits = polars.Series("fits", results[-1] == 2.0)
    columns = dict(zip(job.columns, results[:-2], strict=True))
    values = polars.DataFrame(columns)
    if not fits.all():
        values = values.select(polars.when(fits).then(polars.col(name)).alias(name) for name in job.columns)
    given = polars.DataFrame({**axis_columns(job.axes, points), "fits": fits})
    constant = [polars.lit(text, dtype=polars.String).alias(name) for name, text in job.identity]
    given = given.select(*constant, polars.all())
    return given.hstack([*values.get_columns(), polars.Series("reason", _reasons(job, results[-2], fits))])


def _reasons(job: Job, codes: np.ndarray, fits: polars.Series) -> polars.Series:
    """Return why each point does not fit; an empty text where it does."""
    import polars

    if fits.all():
        return polars.Series([""]).new_from_index(0, len(codes))
    kinds, places = np.unique(np.where(fits.to_numpy(), 0.0, codes), return_inverse=True)
    texts = ["; ".join(t for n, t in enumerate(job.reasons) if int(code) >> n & 1) for code in kinds]
    return polars.Series(texts, dtype=polars.String).gather(places)
