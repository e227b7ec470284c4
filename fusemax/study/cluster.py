"""Chunks on a Dask cluster: an existing one, or worker processes on this machine.

The machines share the folder of the results and nothing else: the jobs lie there as one file, and every chunk is written there
by the worker that computed it. A worker that dies loses nothing; the scheduler gives its chunks to another.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.files import sources_digest
from fusemax.study.chunks import Chunk, Counts
from fusemax.study.folder import CHUNKS, JOBS, RunFolder, run_chunk, write_bytes
from fusemax.study.jobs import Job

RETRIES = 5
CONNECT_S = 20
AHEAD = 4  #: chunks given to the scheduler for each thread of its workers


def on_cluster(
    jobs: Sequence[Job], chunks: Sequence[Chunk], folder: RunFolder, address: str
) -> Iterator[tuple[Chunk, Counts]]:
    """Run *chunks* on the cluster whose scheduler is at *address* and yield each as it is done.

    Raises
    ------
    FusemaxError
        When Dask is not installed, the scheduler does not answer, or the workers do not see the folder.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_S)
    except (OSError, TimeoutError, ValueError) as error:
        raise FusemaxError(
            f"--cluster {address}: no scheduler answers there ({error})\n"
            "  hint: start one with 'dask scheduler', and workers with 'dask worker ADDRESS'"
        ) from None
    with client:
        yield from _run(distributed, client, jobs, chunks, folder)


def on_processes(
    jobs: Sequence[Job], chunks: Sequence[Chunk], folder: RunFolder, workers: int
) -> Iterator[tuple[Chunk, Counts]]:
    """Run *chunks* on *workers* processes of this machine, started here and stopped at the end."""
    distributed = _distributed()
    with (
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield from _run(distributed, client, jobs, chunks, folder)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise FusemaxError(
            "clusters need Dask, which is not installed\n  hint: pip install 'fusemax[cluster]'"
        ) from None
    return distributed


def _run(
    distributed: Any, client: Any, jobs: Sequence[Job], chunks: Sequence[Chunk], folder: RunFolder
) -> Iterator[tuple[Chunk, Counts]]:
    home = str(folder.path.resolve())
    content = pickle.dumps(tuple(jobs), protocol=5)
    write_bytes(folder.path / CHUNKS / JOBS, content)
    code = sources_digest()
    stamp = f"{code} {hash(content)}"
    left = iter(chunks)

    def given() -> Any:
        chunk = next(left, None)
        return chunk and client.submit(
            chunk_there, home, folder.run, chunk, code, stamp, pure=False, retries=RETRIES
        )

    threads = max(1, sum(client.nthreads().values()))
    first = [future for _ in range(AHEAD * threads) if (future := given()) is not None]
    running = distributed.as_completed(first)
    for future in running:
        try:
            chunk, counts = future.result()
        except distributed.KilledWorker as error:
            raise FusemaxError(
                f"workers keep dying: {error}\n  hint: look at their logs; --resume goes on"
            ) from None
        if folder.chunk_counts(chunk) is None:
            raise FusemaxError(
                f"{folder.chunk_path(chunk)}: a worker wrote it, but it is not there\n"
                "  hint: --out has to be a folder that all machines share"
            )
        yield chunk, counts
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
    return chunk, run_chunk(_jobs(home, stamp)[chunk.job], chunk, folder)


@lru_cache(maxsize=4)
def _jobs(home: str, stamp: str) -> tuple[Job, ...]:
    del stamp  # part of the key: another run in the same folder has other jobs
    path = Path(home) / CHUNKS / JOBS
    with contextlib.suppress(OSError):
        return pickle.loads(path.read_bytes())
    raise FusemaxError(
        f"{path}: a worker cannot read it\n  hint: --out has to be a folder that all machines share"
    )
