"""One chunk of a job: computed in blocks that stay in the processor's cache, returned as a table with its counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusemax.study.execute.trials import Chunk, measured, table_at, walk
from fusemax.study.jobs.job import Job
from fusemax.study.jobs.keep import Keep
from fusemax.study.tables.rows import frame
from fusemax.study.tables.sought_rows import sought_table

if TYPE_CHECKING:
    import polars

    from fusemax.cost.front import Best, Front

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


def chunk_table(job: Job, chunk: Chunk) -> tuple[polars.DataFrame, Counts]:
    """Return the rows that *chunk* keeps, and the counts of all its points."""
    return _every(job, chunk) if job.keep.kind == "all" else _few(job, chunk)


def _every(job: Job, chunk: Chunk) -> tuple[polars.DataFrame, Counts]:
    points = np.arange(chunk.start, chunk.stop)
    if job.sought is not None:
        found, verdict = sought_table(job, points)
        return found, _counts(verdict)
    if job.chooses:
        verdict = np.concatenate([block[-1] for _, block, _ in measured(job, chunk)])
        kept = points[verdict > 0]
        return table_at(job, kept), _counts(verdict)
    (only,) = job.alternatives
    results = np.empty((len(only.table.outputs), len(points)))
    walk(job, only.table, chunk.start, chunk.stop, results)
    verdict = results[-1]
    counts = _counts(verdict)
    if counts.left_out:
        points, results = points[verdict > 0], results[:, verdict > 0]
    return frame(job, only, points, results), counts


def _few(job: Job, chunk: Chunk) -> tuple[polars.DataFrame, Counts]:
    table = new_selection(job.keep)
    counts = Counts()
    turned = np.array(job.keep.signs)[:, None]
    for start, block, _ in measured(job, chunk):
        measures = block[: len(turned)]
        if turned.min() < 0:
            measures = measures * turned
        fits = block[-1] == 2.0
        good = fits & np.isfinite(measures).all(axis=0)
        table.add(measures, np.arange(start, start + len(fits), dtype=np.float64), good.astype(np.float64))
        lost = Counts(no_value=int(np.count_nonzero(fits)) - int(np.count_nonzero(good)))
        counts = counts + _counts(block[-1]) + lost
    return _selection_frame(table.table()), counts


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
