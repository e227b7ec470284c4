"""How the points of jobs are cut into chunks."""

from __future__ import annotations

import math

from fusemax.study.execute.trials import Chunk
from fusemax.study.jobs.job import Job, Planned

CHUNK_POINTS = 2**20


CHUNK_NUMBERS = 2**20  #: numbers in the chunk of a whole table: 8 MiB; each thread holds some times as much


LEAST_POINTS = 2**14


SEARCHED_POINTS = 16  #: points of a chunk at each of which a mapping is searched for


def chunks_of(plan: Planned, points: int | None) -> tuple[Chunk, ...]:
    """Return the chunks of all jobs in order; *points* is the most in one (by default what suits the job)."""
    found: list[Chunk] = []
    for number, job in enumerate(plan.jobs):
        size = points or _chunk_points(job)
        for start in range(0, job.points, size):
            stop = min(start + size, job.points)
            found.append(Chunk(number=len(found), job=number, start=start, stop=stop))
    return tuple(found)


def _chunk_points(job: Job) -> int:
    """Return how many points of *job* suit a chunk: a power of two, fewer where a whole table has many columns.

    >>> 2 ** int(math.log2(2**20 / 59)), 2 ** int(math.log2(2**20 / 3))
    (16384, 262144)
    """
    if job.sought is not None:
        return SEARCHED_POINTS
    if job.keep.kind != "all":
        return CHUNK_POINTS
    outputs = max(len(each.table.outputs) for each in job.alternatives)
    fitting = 2 ** int(math.log2(CHUNK_NUMBERS / outputs))
    return min(max(fitting, LEAST_POINTS), CHUNK_POINTS)
