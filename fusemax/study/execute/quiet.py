"""Worker processes that neither print tracebacks of what we say in words nor take our interrupts."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator

LOUD = ("distributed", "tornado", "asyncio")  #: loggers that print tracebacks of what we say in words


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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
def interrupts_are_ours() -> Iterator[None]:
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
