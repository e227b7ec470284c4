"""A run of the arrays, watched: how long it will take, and how far it is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

Answer = TypeVar("Answer")
SILENT_S = 2.0  #: a run that is over by then is not talked about
LOOK_EVERY_S = 0.2


def watched(work: Callable[[], Answer], done: np.ndarray, total: int, elements: int) -> Answer:
    """Return what *work* returns, run in a thread; it counts its cycles, of *total*, in ``done[0]``.

    On standard error: after two seconds the element-cycles in all, the rate and the time left, once, and on a terminal as a
    line that goes on until the end.
    """
    found: list[Answer] = []
    errors: list[BaseException] = []

    def do() -> None:
        try:
            found.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=do, daemon=True)
    begin = time.monotonic()
    thread.start()
    terminal = sys.stderr.isatty()
    told = False
    while thread.is_alive():
        thread.join(LOOK_EVERY_S)
        took = time.monotonic() - begin
        if thread.is_alive() and took > SILENT_S and (terminal or not told):
            told = True
            text = _text(int(done[0]), total, elements, took)
            sys.stderr.write(f"\r\x1b[K{text}" if terminal else f"{text}\n")
            sys.stderr.flush()
    if told and terminal:
        sys.stderr.write("\r\x1b[K")
    if errors:
        raise errors[0]
    return found[0]


def _text(done: int, total: int, elements: int, took_s: float) -> str:
    rate = done * elements / took_s
    left = f"{(total - done) * took_s / done:.0f} s left" if done else "compiling"
    return f"{total * elements:.2g} element-cycles, {done / max(1, total):.0%} done, {rate:.2g}/s, {left}"
