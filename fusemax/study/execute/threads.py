"""Chunks on threads of this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from fusemax.cost.lower import COMPILE_FROM, compiled_kernel
from fusemax.study.execute.chunks import Counts, new_selection
from fusemax.study.execute.folder import RunFolder, run_chunk
from fusemax.study.execute.trials import Chunk
from fusemax.study.jobs.job import Job


def available_cores() -> int:
    """Return how many cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(jobs: Sequence[Job]) -> int:
    """Return how many threads suit *jobs*: a search holds the interpreter and counts seconds, so that it goes alone."""
    return 1 if any(job.sought is not None for job in jobs) else available_cores()


def prepare(job: Job) -> None:
    """Compile what *job* runs, so that threads find it done."""
    if job.points >= COMPILE_FROM and job.sought is None:
        for each in job.alternatives:
            is_table = job.keep.kind == "all" and not job.chooses
            nest = (each.table if is_table else each.measures).nest
            assert nest is not None
            compiled_kernel(nest.text)
    if job.keep.kind != "all":
        new_selection(job.keep)


def on_threads(
    jobs: Sequence[Job], chunks: Sequence[Chunk], folder: RunFolder, threads: int
) -> Iterator[tuple[Chunk, Counts]]:
    """Run *chunks* on threads of this process and yield each as it is done."""
    for number in sorted({chunk.job for chunk in chunks}):
        prepare(jobs[number])
    pending: dict[Future[Counts], Chunk] = {}
    left = iter(chunks)
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                while len(pending) < 2 * threads and (chunk := next(left, None)) is not None:
                    pending[pool.submit(run_chunk, jobs[chunk.job], chunk, folder)] = chunk
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(future), future.result()
        except BaseException:
            for future in pending:
                future.cancel()
            raise
