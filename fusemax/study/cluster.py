"""Chunks on a Dask cluster: an existing one, or worker processes on this machine.

The machines share the folder of the results and nothing else: the jobs lie there as one file, and every chunk is written there
by the worker that computed it. A worker that dies loses nothing; the scheduler gives its chunks to another.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import signal
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import CancelledError
from functools import lru_cache
from pathlib import Path
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.files import sources_digest
from fusemax.study.chunks import Chunk, Counts
from fusemax.study.folder import CHUNKS, JOBS, RunFolder, run_chunk, write_bytes
from fusemax.study.jobs import Job

RETRIES = 5
CONNECT_S = 20  #: until a scheduler has to answer
WORKERS_S = 60  #: until a worker has to be there, at the start and later
CHECK_S = 2  #: between two looks at whether scheduler and workers are still there
AHEAD = 4  #: chunks given to the scheduler for each thread of its workers
LOUD = ("distributed", "tornado", "asyncio")  #: loggers that print tracebacks of what we say in words
GOES_ON = "what is finished stays valid, and --resume goes on with it"


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
    with _quiet():
        try:
            client = distributed.Client(address, timeout=CONNECT_S)
        except (OSError, TimeoutError, ValueError) as error:
            raise FusemaxError(
                f"--cluster {address}: no scheduler answers there ({_in_short(error)})\n"
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
    with _quiet():
        with _interrupts_are_ours():
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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from printing tracebacks of what is said in words here."""
    loggers = [
        logging.getLogger(name)
        for name in (*LOUD, *logging.Logger.manager.loggerDict)
        if name.startswith(LOUD)
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _interrupts_are_ours() -> Iterator[None]:
    """Let processes that are started meanwhile ignore Ctrl-C, which a terminal sends to all: we stop them ourselves.

    The signal is blocked for them too, where the system can: a library that they use may take it back from being ignored, as
    Polars does while it collects.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    mask = getattr(signal, "pthread_sigmask", None)
    blocked = mask(signal.SIG_BLOCK, {signal.SIGINT}) if mask else None
    try:
        yield
    finally:
        if mask:
            mask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, before)


def _close(part: Any) -> None:
    with contextlib.suppress(Exception):  # a scheduler that is gone cannot be told
        part.close(timeout=CHECK_S)


def _in_short(error: BaseException) -> str:
    rows = str(error).strip().splitlines()
    return rows[0] if rows else type(error).__name__


def _run(
    distributed: Any, client: Any, jobs: Sequence[Job], chunks: Sequence[Chunk], folder: RunFolder, where: str
) -> Iterator[tuple[Chunk, Counts]]:
    home = str(folder.path.resolve())
    content = pickle.dumps(tuple(jobs), protocol=5)
    write_bytes(folder.path / CHUNKS / JOBS, content)
    code = sources_digest()
    stamp = f"{code} {hash(content)}"
    left = iter(chunks)
    cluster = _Cluster(distributed, client, where)

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


class _Cluster:
    """A scheduler with its workers, watched: what ails them is said in words, within a time."""

    def __init__(self, distributed: Any, client: Any, where: str) -> None:
        self._distributed, self._client, self._where = distributed, client, where
        self._seen_s = time.monotonic()

    def threads(self) -> int:
        """Return how many chunks the workers can do side by side, once there are any."""
        while not (found := self._workers()):
            time.sleep(0.2)
        return max(1, sum(found.values()))

    def next_done(self, running: Collection[Any]) -> list[Any]:
        """Return those of *running* that are done, when there are any."""
        while True:
            try:
                done = self._distributed.wait(list(running), CHECK_S, "FIRST_COMPLETED").done
            except TimeoutError:
                self._workers()
                continue
            except (CancelledError, asyncio.CancelledError, OSError, RuntimeError) as error:
                raise self._gone(error) from None
            self._seen_s = time.monotonic()
            return list(done)

    def result(self, future: Any) -> tuple[Chunk, Counts]:
        """Return what *future* holds; raise FusemaxError with what went wrong on the worker."""
        try:
            return future.result(timeout=WORKERS_S)
        except FusemaxError:
            raise
        except self._distributed.KilledWorker as error:
            raise FusemaxError(
                f"workers keep dying: {_in_short(error)}\n  hint: look at their logs; {GOES_ON}"
            ) from None
        except (CancelledError, asyncio.CancelledError, OSError, TimeoutError) as error:
            raise self._gone(error) from None
        except Exception as error:
            raise FusemaxError(
                f"a worker could not do its part ({type(error).__name__}: {_in_short(error)})\n"
                "  hint: install the same fusemax and the same Dask on all machines, and start the workers anew"
            ) from None

    def _workers(self) -> dict[str, int]:
        """Return the threads of each worker; raise FusemaxError when there has been none for too long."""
        try:
            if self._client.status != "running":
                raise OSError(f"the connection is {self._client.status}")
            found = dict(self._client.nthreads())
        except (CancelledError, asyncio.CancelledError, OSError, TimeoutError, RuntimeError) as error:
            raise self._gone(error) from None
        if found:
            self._seen_s = time.monotonic()
        elif time.monotonic() - self._seen_s > WORKERS_S:
            raise FusemaxError(
                f"the scheduler {self._where} has had no worker for {WORKERS_S} s\n"
                f"  hint: start some with 'dask worker ADDRESS'; {GOES_ON}"
            )
        return found

    def _gone(self, error: BaseException) -> FusemaxError:
        return FusemaxError(
            f"the scheduler {self._where} is gone ({_in_short(error)})\n  hint: start it and its workers anew; {GOES_ON}"
        )


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
