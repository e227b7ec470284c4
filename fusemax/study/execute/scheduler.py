"""A scheduler with its workers, watched: what ails them is said in words, within a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from concurrent.futures import CancelledError
from typing import Any

from fusemax.errors import FusemaxError
from fusemax.study.execute.chunks import Counts
from fusemax.study.execute.trials import Chunk

WORKERS_S = 60  #: until a worker has to be there, at the start and later


CHECK_S = 2  #: between two looks at whether scheduler and workers are still there


GOES_ON = "what is finished stays valid, and --resume goes on with it"


def in_short(error: BaseException) -> str:
    """Return the first line of *error*, or its name where it says nothing."""
    rows = str(error).strip().splitlines()
    return rows[0] if rows else type(error).__name__


class Scheduler:
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
                f"workers keep dying: {in_short(error)}\n  hint: look at their logs; {GOES_ON}"
            ) from None
        except (CancelledError, asyncio.CancelledError, OSError, TimeoutError) as error:
            raise self._gone(error) from None
        except Exception as error:
            raise FusemaxError(
                f"a worker could not do its part ({type(error).__name__}: {in_short(error)})\n"
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
            f"the scheduler {self._where} is gone ({in_short(error)})\n  hint: start it and its workers anew; {GOES_ON}"
        )
