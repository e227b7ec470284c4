"""The points that are kept of all: the front, or the best, of what each chunk kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fusemax.study.execute.chunks import EQUAL, NUMBER, new_selection, rows_at
from fusemax.study.jobs.job import Job

if TYPE_CHECKING:
    import polars


def selected(pieces: Sequence[tuple[Job, polars.DataFrame]]) -> polars.DataFrame:
    """Return the rows of the points that are kept among those that each chunk kept, part by part."""
    import polars

    by_part: dict[str, list[tuple[Job, polars.DataFrame]]] = {}
    for job, found in pieces:
        by_part.setdefault(dict(job.identity)["part"], []).append((job, found))
    return polars.concat([_part_selection(mine) for mine in by_part.values()], how="diagonal_relaxed")


def _part_selection(pieces: Sequence[tuple[Job, polars.DataFrame]]) -> polars.DataFrame:
    import polars

    jobs = list(dict.fromkeys(id(job) for job, _ in pieces))
    known = {id(job): job for job, _ in pieces}
    owners = np.concatenate([np.full(found.height, jobs.index(id(job))) for job, found in pieces])
    merged = polars.concat([found for _, found in pieces])
    measures = np.array(merged.drop(NUMBER, EQUAL).to_numpy().T)
    selection = new_selection(pieces[0][0].keep)
    selection.add(
        measures, np.arange(merged.height, dtype=np.float64), merged[EQUAL].to_numpy().astype(np.float64)
    )
    table = selection.table()
    rows = table[:, -2].astype(np.int64)
    points, equal = merged[NUMBER].to_numpy()[rows], table[:, -1]
    frames = [
        rows_at(known[owner], points[mine], equal[mine]).with_columns(
            polars.Series(_ORDER, np.nonzero(mine)[0])
        )
        for number, owner in enumerate(jobs)
        if (mine := owners[rows] == number).any() or number == 0
    ]
    return polars.concat(frames, how="diagonal_relaxed").sort(_ORDER).drop(_ORDER)


_ORDER = "order of selection"
