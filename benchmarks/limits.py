"""How long a trial may take: processor time, so that other work on the machine does not count."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class TooSlowError(BaseException):
    """More processor time than a trial may take; no code that is tried catches it."""


@contextmanager
def timed(most_s: float) -> Iterator[None]:
    """Raise TooSlowError after *most_s* seconds of processor time."""

    def late(*_: object) -> None:
        raise TooSlowError

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, most_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
