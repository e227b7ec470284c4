"""Chunks on a Dask cluster: an existing one, or worker processes on this machine.

The machines share the folder of the results and nothing else: the jobs lie there as one file, and every chunk is written there
by the worker that computed it. A worker that dies loses nothing; the scheduler gives its chunks to another.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.files import sources_digest
from fusemax.study.execute.chunks import Counts
from fusemax.study.execute.folder import CHUNKS, JOBS, RunFolder, run_chunk
from fusemax.study.execute.quiet import interrupts_are_ours, quiet
from fusemax.study.execute.scheduler import CHECK_S, Scheduler, in_short
from fusemax.study.execute.trials import Chunk
from fusemax.study.execute.written import write_bytes
from fusemax.study.jobs.job import Job

RETRIES = 5
CONNECT_S = 20  #: until a scheduler has to answer
AHEAD = 4  #: chunks given to the scheduler for each thread of its workers


def on_cluster(
    jobs: Sequence[Job], chunks: Sequence[Chunk], folder: RunFolder, address: str
) -> Iterator[tuple[Chunk, Counts]]:
    """Run *chunks* on the cluster whose scheduler is at *address* and yield each as it is done.

    Raises
    ------
    FusemaxError
        When Dask is not installed, the scheduler does not answer within ``CONNECT_S`` or goes away, no worker is there for
        ``WORKERS_S``, workers do not see the folder, or have another fusemax.
    """
    distributed = _distributed()
    with quiet():
        try:
            client = distributed.Client(address, timeout=CONNECT_S)
        except (OSError, TimeoutError, ValueError) as error:
            raise FusemaxError(
                f"--cluster {address}: no scheduler answers there ({in_short(error)})\n"
                "  hint: start one with 'dask scheduler', and workers with 'dask worker ADDRESS'"
            ) from None
        try:
            yield from _run(distributed, client, jobs, chunks, folder, address)
        finally:
            _close(client)


def on_processes(
    jobs: Sequence[Job], chunks: Sequence[Chunk], folder: RunFolder, workers: int
) -> Iterator[tuple[Chunk, Counts]]:
    """Run *chunks* on *workers* processes of this machine, started here and stopped at the end."""
    distributed = _distributed()
    with quiet():
        with interrupts_are_ours():
            cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL
            )
        client = distributed.Client(cluster)
        try:
            yield from _run(distributed, client, jobs, chunks, folder, "of this machine")
        finally:
            _close(client)
            _close(cluster)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise FusemaxError(
            "clusters need Dask, which is not installed\n  hint: pip install 'fusemax[cluster]'"
        ) from None
    return distributed


def _close(part: Any) -> None:
    with contextlib.suppress(Exception):  # a scheduler that is gone cannot be told
        part.close(timeout=CHECK_S)


def _run(
    distributed: Any, client: Any, jobs: Sequence[Job], chunks: Sequence[Chunk], folder: RunFolder, where: str
) -> Iterator[tuple[Chunk, Counts]]:
    home = str(folder.path.resolve())
    content = pickle.dumps(tuple(jobs), protocol=5)
    write_bytes(folder.path / CHUNKS / JOBS, content)
    code = sources_digest()
    stamp = f"{code} {hash(content)}"
    left = iter(chunks)
    cluster = Scheduler(distributed, client, where)

    def given() -> Any:
        chunk = next(left, None)
        return chunk and client.submit(
            chunk_there, home, folder.run, chunk, code, stamp, pure=False, retries=RETRIES
        )

    ahead = AHEAD * cluster.threads()
    running = {future for _ in range(ahead) if (future := given()) is not None}
    while running:
        for future in cluster.next_done(running):
            chunk, counts = cluster.result(future)
            if folder.chunk_counts(chunk) is None:
                raise FusemaxError(
                    f"{folder.chunk_path(chunk)}: a worker wrote it, but it is not there\n"
                    "  hint: --out has to be a folder that all machines share"
                )
            yield chunk, counts
            running.discard(future)
            future.release()
            following = given()
            if following is not None:
                running.add(following)


def chunk_there(home: str, run: str, chunk: Chunk, code: str, stamp: str) -> tuple[Chunk, Counts]:
    """Compute *chunk* on a worker and write it into the folder at *home*; return it with its counts."""
    from fusemax import __version__

    if sources_digest() != code:
        raise FusemaxError(
            f"a worker has another fusemax ({__version__}, code {sources_digest()[:8]}) than the study ({code[:8]})"
            "\n  hint: install the same version on all machines, and start the workers anew"
        )
    folder = RunFolder(Path(home), run)
    try:
        return chunk, run_chunk(_jobs(home, stamp)[chunk.job], chunk, folder)
    except KeyboardInterrupt:  # Polars may raise it in a thread though the process ignores the signal
        raise FusemaxError("stopped") from None


@lru_cache(maxsize=4)
def _jobs(home: str, stamp: str) -> tuple[Job, ...]:
    del stamp  # part of the key: another run in the same folder has other jobs
    path = Path(home) / CHUNKS / JOBS
    with contextlib.suppress(OSError):
        return pickle.loads(path.read_bytes())
    raise FusemaxError(
        f"{path}: a worker cannot read it\n  hint: --out has to be a folder that all machines share"
    )
