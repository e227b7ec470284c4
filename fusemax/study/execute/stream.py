"""Run jobs chunk by chunk: on threads or a cluster, each chunk a file, the table at the end the same however it went."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fusemax.errors import FusemaxError
from fusemax.study.execute.chunk_sizes import chunks_of
from fusemax.study.execute.chunks import Counts, chunk_table
from fusemax.study.execute.folder import RunFolder, run_chunk
from fusemax.study.execute.manifest import manifest_of
from fusemax.study.execute.selection import selected
from fusemax.study.execute.threads import available_cores, on_threads, prepare, threads_for
from fusemax.study.execute.trials import Chunk
from fusemax.study.execute.written import concatenated, write_bytes, write_frame
from fusemax.study.jobs.job import Job, Planned
from fusemax.study.tables.results import ordered
from fusemax.study.tables.rows import JOB
from fusemax.table.cells import guarded

if TYPE_CHECKING:
    import polars

WORKERS_A_CORE = 16  #: more processes take room, and no time less
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
    most = WORKERS_A_CORE * available_cores()
    if options.workers is not None and options.workers > most:
        hint = "processes beyond the cores wait for one another; other machines join with --cluster"
        raise FusemaxError(
            f"--workers: at most {most} on this machine, {WORKERS_A_CORE} for each core, got {options.workers}"
            f"\n  hint: {hint}"
        )
    if options.resume and options.fresh:
        raise FusemaxError("--resume and --fresh exclude each other: go on, or start over")


def _runner(options: Options) -> Runner:
    address, workers = options.cluster, options.workers
    if address is None and workers is None:
        return lambda jobs, chunks, folder: on_threads(jobs, chunks, folder, threads_for(jobs))
    from fusemax.study.execute.cluster import on_cluster, on_processes

    if address is None:
        return lambda jobs, chunks, folder: on_processes(jobs, chunks, folder, workers or 1)
    if workers is not None:
        raise FusemaxError(
            "--cluster and --workers exclude each other: an existing cluster has its own workers"
        )
    return lambda jobs, chunks, folder: on_cluster(jobs, chunks, folder, address)


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
        write_bytes(text, guarded(polars.read_parquet(target, glob=False)).write_csv().encode())
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
