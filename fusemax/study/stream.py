"""Run jobs chunk by chunk: on threads or a cluster, each chunk a file, the table at the end the same however it went."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fusemax.cost.lower import COMPILE_FROM, compiled_kernel
from fusemax.errors import FusemaxError
from fusemax.study.chunks import EQUAL, NUMBER, Chunk, Counts, chunk_table, new_selection, rows_at
from fusemax.study.folder import RunFolder, concatenated, manifest_of, run_chunk, write_bytes, write_frame
from fusemax.study.jobs import Job, Keep, Planned
from fusemax.study.results import JOB, ordered

if TYPE_CHECKING:
    import polars

CHUNK_POINTS = 2**20
CHUNK_NUMBERS = 2**20  #: numbers in the chunk of a whole table: 8 MiB; each thread holds some times as much
LEAST_POINTS = 2**14
SEARCHED_POINTS = 16  #: points of a chunk at each of which a mapping is searched for
ROWS_AS_TEXT = 100_000  #: tables up to this size are written as CSV too


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run goes: on threads here, on worker processes or a cluster, and what to do with what stands in its folder."""

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


def run_jobs(plan: Planned, out: Path, options: Options, report: Report | None = None) -> tuple[Path, Counts]:
    """Run all jobs of *plan* and return the file of the final table, and the counts of its points.

    Raises
    ------
    FusemaxError
        When the folder cannot be written (what was finished stays valid), or holds another run.
    """
    _refuse(options)
    runner = _runner(options)
    folder = RunFolder(out)
    with folder.lock():
        folder = folder.begin(manifest_of(plan, options.chunk_points or 0), options.resume, options.fresh)
        return _run(plan, folder, options, runner, report)


def _run(
    plan: Planned, folder: RunFolder, options: Options, runner: Runner, report: Report | None
) -> tuple[Path, Counts]:
    chunks = chunks_of(plan, options.chunk_points)
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
    for _, counts in runner(plan.jobs, waiting, folder):
        total = total + counts
        progress = replace(progress, points_done=total.points)
        if report:
            report(progress)
    _made_again(plan, chunks, folder)
    return _table(plan, chunks, folder), total


def _made_again(plan: Planned, chunks: Sequence[Chunk], folder: RunFolder) -> None:
    """Compute again what is not as it was written: a disk may lose bits, and somebody else may have been here."""
    damaged = [chunk for chunk in chunks if folder.chunk_counts(chunk) is None]
    for chunk in damaged:
        run_chunk(plan.jobs[chunk.job], chunk, folder)
        if folder.chunk_counts(chunk) is None:
            raise FusemaxError(
                f"{folder.chunk_path(chunk)}: does not hold what was written there: look at the disk"
            )


def _refuse(options: Options) -> None:
    for name, value in (("--workers", options.workers), ("--chunk", options.chunk_points)):
        if value is not None and value < 1:
            raise FusemaxError(f"{name}: expected at least 1, got {value}")
    if options.resume and options.fresh:
        raise FusemaxError("--resume and --fresh exclude each other: go on, or start over")


def _runner(options: Options) -> Runner:
    address, workers = options.cluster, options.workers
    if address is None and workers is None:
        return lambda jobs, chunks, folder: on_threads(jobs, chunks, folder, threads_for(jobs))
    from fusemax.study.cluster import on_cluster, on_processes

    if address is None:
        return lambda jobs, chunks, folder: on_processes(jobs, chunks, folder, workers or 1)
    if workers is not None:
        raise FusemaxError(
            "--cluster and --workers exclude each other: an existing cluster has its own workers"
        )
    return lambda jobs, chunks, folder: on_cluster(jobs, chunks, folder, address)


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


# --- the final table


def _table(plan: Planned, chunks: Sequence[Chunk], folder: RunFolder) -> Path:
    import polars

    target = folder.path / "results.parquet"
    paths = [folder.chunk_path(chunk) for chunk in chunks]
    if plan.whole or any(job.keep.kind != "all" for job in plan.jobs):
        frames = [polars.read_parquet(path, glob=False) for path in paths]
        write_frame(_together(plan, chunks, frames), target)
    else:
        concatenated(paths, target, plan.order)
    text = target.with_suffix(".csv")
    if polars.scan_parquet(target, glob=False).select(polars.len()).collect().item() <= ROWS_AS_TEXT:
        write_bytes(text, polars.read_parquet(target, glob=False).write_csv().encode())
    else:
        text.unlink(missing_ok=True)
    folder.finish()
    return target


def _together(plan: Planned, chunks: Sequence[Chunk], frames: Sequence[polars.DataFrame]) -> polars.DataFrame:
    """Return the rows that *frames*, one for each chunk, have together, in the order of the study."""
    import polars

    if any(job.keep.kind != "all" for job in plan.jobs):
        found = selected([(plan.jobs[c.job], frame) for c, frame in zip(chunks, frames, strict=True)])
        rest = [name for name in found.columns if name not in plan.order]
        return found.select(*plan.order, *rest)
    if not plan.whole:
        return polars.concat(frames, how="diagonal_relaxed").select(plan.order)
    numbered = [f.with_columns(polars.lit(c.job).alias(JOB)) for c, f in zip(chunks, frames, strict=True)]
    return ordered(plan, polars.concat(numbered, how="diagonal_relaxed"))


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


def in_memory(plan: Planned, workers: int | None = None, report: Report | None = None) -> polars.DataFrame:
    """Return the rows of all jobs of *plan* without a folder: for what fits in memory."""
    chunks = chunks_of(plan, None)
    for job in plan.jobs:
        prepare(job)
    frames: list[polars.DataFrame] = []
    total = Counts()
    with ThreadPoolExecutor(workers or threads_for(plan.jobs)) as pool:
        for frame, counts in pool.map(lambda chunk: chunk_table(plan.jobs[chunk.job], chunk), chunks):
            frames.append(frame)
            total = total + counts
            if report:
                report(Progress(points=plan.points, points_done=total.points, points_resumed=0))
    return _together(plan, chunks, frames)


def keep_of(pareto: str | None, top: int | None, by: str | None) -> Keep:
    """Return which points to keep from the words on the command line.

    >>> keep_of("latency,energy", None, None).measures
    ('latency', 'energy')
    """
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
