"""Run jobs chunk by chunk: on threads or a cluster, each chunk a file, the table at the end the same however it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusemax.cost.lower import COMPILE_FROM, compiled_kernel
from fusemax.errors import FusemaxError
from fusemax.study.chunks import EQUAL, Chunk, Counts, chunk_table, new_selection
from fusemax.study.folder import RunFolder, concatenated, manifest_of, write_bytes
from fusemax.study.jobs import Job, Planned

if TYPE_CHECKING:
    import polars

CHUNK_POINTS = {"all": 2**20, "front": 2**22, "best": 2**22}
ROWS_AS_TEXT = 100_000  #: tables up to this size are written as CSV too


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run goes: on how many threads or which cluster, and what to do with what stands in its folder."""

    workers: int | None = None
    cluster: str | None = None
    chunk_points: int | None = None
    resume: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run is: chunks and points done and in all, and the points that were there already."""

    points: int
    points_done: int
    points_resumed: int


Report = Callable[[Progress], None]
#: Runs chunks somewhere and yields each with its counts as it is done.
Runner = Callable[[Sequence[Job], Sequence[Chunk], RunFolder], Iterator[tuple[Chunk, Counts]]]


def chunks_of(plan: Planned, points: int | None) -> tuple[Chunk, ...]:
    """Return the chunks of all jobs in order; *points* is the most in one (by default what suits the job)."""
    found: list[Chunk] = []
    for number, job in enumerate(plan.jobs):
        size = points or CHUNK_POINTS[job.keep.kind]
        for start in range(0, job.points, size):
            stop = min(start + size, job.points)
            found.append(Chunk(number=len(found), job=number, start=start, stop=stop))
    return tuple(found)


def run_jobs(plan: Planned, out: Path, options: Options, report: Report | None = None) -> tuple[Path, Counts]:
    """Run all jobs of *plan* and return the file of the final table, and the counts of its points.

    Raises
    ------
    FusemaxError
        When the folder cannot be written (what was finished stays valid), or holds another run.
    """
    folder = RunFolder(out)
    chunks = chunks_of(plan, options.chunk_points)
    folder.begin(manifest_of(plan, options.chunk_points or 0), options.resume, options.fresh)
    total = Counts()
    waiting: list[Chunk] = []
    for chunk in chunks:
        counts = folder.chunk_counts(chunk) if options.resume else None
        if counts is None:
            waiting.append(chunk)
        else:
            total = total + counts
    progress = Progress(points=plan.points, points_done=total.points, points_resumed=total.points)
    if report:
        report(progress)
    for _, counts in _runner(options)(plan.jobs, waiting, folder):
        total = total + counts
        progress = replace(progress, points_done=total.points)
        if report:
            report(progress)
    return _table(plan, chunks, folder), total


def _runner(options: Options) -> Runner:
    if options.cluster is None:
        threads = options.workers or available_cores()
        return lambda jobs, chunks, folder: on_threads(jobs, chunks, folder, threads)
    from fusemax.study.cluster import on_cluster

    address = options.cluster
    return lambda jobs, chunks, folder: on_cluster(jobs, chunks, folder, address)


def available_cores() -> int:
    """Return how many cores this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_chunk(job: Job, chunk: Chunk, folder: RunFolder) -> Counts:
    """Compute *chunk*, write its file into *folder*, and return its counts."""
    frame, counts = chunk_table(job, chunk)
    folder.write_chunk(chunk, frame, counts)
    return counts


def prepare(job: Job) -> None:
    """Compile what *job* runs, so that threads find it done."""
    if job.points >= COMPILE_FROM:
        compiled_kernel((job.table if job.keep.kind == "all" else job.measures).text)
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


# --- the final table


def _table(plan: Planned, chunks: Sequence[Chunk], folder: RunFolder) -> Path:
    target = folder.path / "results.parquet"
    if all(job.keep.kind == "all" for job in plan.jobs):
        concatenated([folder.chunk_path(chunk) for chunk in chunks], target)
    else:
        import io

        import polars

        frames = [polars.read_parquet(folder.chunk_path(chunk)) for chunk in chunks]
        table = selected([(plan.jobs[c.job], frame) for c, frame in zip(chunks, frames, strict=True)])
        buffer = io.BytesIO()
        table.write_parquet(buffer, compression="lz4", statistics=False)
        write_bytes(target, buffer.getbuffer())
        if table.height <= ROWS_AS_TEXT:
            write_bytes(target.with_suffix(".csv"), table.write_csv().encode())
    folder.finish()
    return target


def selected(pieces: Sequence[tuple[Job, polars.DataFrame]]) -> polars.DataFrame:
    """Return the points that are kept among those that each chunk kept, part by part, in order of the study."""
    import polars

    tables: list[polars.DataFrame] = []
    for part in dict.fromkeys(dict(job.identity)["part"] for job, _ in pieces):
        mine = [(job, frame) for job, frame in pieces if dict(job.identity)["part"] == part]
        keep = mine[0][0].keep
        rows = polars.concat([frame for _, frame in mine], how="diagonal_relaxed")
        selection = new_selection(keep)
        names = [name.lstrip("-") for name in keep.measures]
        signs = np.array([-1.0 if name.startswith("-") else 1.0 for name in keep.measures])
        measures = np.ascontiguousarray(rows.select(names).to_numpy().T) * signs[:, None]
        weights = rows[EQUAL].to_numpy().astype(np.float64)
        selection.add(measures, np.arange(rows.height, dtype=np.float64), weights)
        table = selection.table()
        kept = rows[table[:, -2].astype(np.int64).tolist()]
        tables.append(kept.with_columns(polars.Series(EQUAL, table[:, -1].astype(np.int64))))
    return polars.concat(tables, how="diagonal_relaxed")


def in_memory(plan: Planned, workers: int | None = None, report: Report | None = None) -> polars.DataFrame:
    """Return the table of all jobs of *plan* without a folder: for what fits in memory, from Python."""
    import polars

    chunks = chunks_of(plan, None)
    for job in plan.jobs:
        prepare(job)
    frames: list[polars.DataFrame] = []
    total = Counts()
    with ThreadPoolExecutor(workers or available_cores()) as pool:
        for frame, counts in pool.map(lambda chunk: chunk_table(plan.jobs[chunk.job], chunk), chunks):
            frames.append(frame)
            total = total + counts
            if report:
                report(Progress(points=plan.points, points_done=total.points, points_resumed=0))
    if all(job.keep.kind == "all" for job in plan.jobs):
        return polars.concat(frames, how="diagonal_relaxed")
    return selected([(plan.jobs[c.job], frame) for c, frame in zip(chunks, frames, strict=True)])


def keep_of(pareto: str | None, top: int | None, by: str | None):
    """Return which points to keep from the words on the command line.

    >>> keep_of("latency,energy", None, None).measures
    ('latency', 'energy')
    """
    from fusemax.study.jobs import Keep

    if pareto is not None and (top is not None or by is not None):
        raise FusemaxError("--pareto and --top exclude each other: take one of them")
    if pareto is not None:
        measures = tuple(name.strip() for name in pareto.split(",") if name.strip())
        if len(set(measures)) < 2:
            raise FusemaxError("--pareto: expected at least two measures, such as latency,energy,area")
        return Keep(kind="front", measures=measures)
    if (top is None) != (by is None):
        raise FusemaxError("--top and --by belong together, such as --top 10 --by energy_delay")
    if top is not None and by is not None:
        if top < 1:
            raise FusemaxError(f"--top: expected at least 1, got {top}")
        return Keep(kind="best", measures=(by,), most=top)
    return Keep()
