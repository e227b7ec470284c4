"""Runs that begin as Python and go on compiled, once it is clear that they are long.

Where a run stands is in arrays, so that compiled code takes it over between two events. A design of some thousand events is
over before compiled code is even found on disk; and nobody waits for a compiler that no long run asks for.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusemax.compiled import told_of_compiling

WHAT, WITHIN_S = "the simulator", 20  #: what is compiled, and how long that takes
STEPS_AT_ONCE = 64  #: events between two looks at the watch
STEPS_COMPILED = 1 << 18  #: about a second
CLEAR = "\r\x1b[K"  #: the line on a terminal
EVERY_STEP = 1 << 62
SILENT_S = 2.0  #: a run that is over by then is not talked about
KEPT_S = 0.3  #: seconds of Python before compiled code is fetched from disk, which takes about as long
COLD_S = 4.0  #: before it is made, which takes some 20 s


@dataclass(slots=True)
class Paced:
    """``plain(*arrays, most)`` does at most so many steps and says whether the end is reached; ``compile()`` its twin.

    ``spent_s`` are the CPU seconds of Python so far, of all runs; ``found`` is the twin, worth it from ``from_s``
    of them on. ``part(*arrays)`` is how much of a run is done, from 0 to 1; a long run says it on standard error.
    """

    plain: Callable[..., bool]
    compile: Callable[[], Any]
    sources: Sequence[Path]
    kept_s: float = KEPT_S
    cold_s: float = COLD_S
    spent_s: float = 0.0
    found: Any = None
    from_s: float = 0.0
    part: Callable[..., float] | None = None

    def __call__(self, *arrays: Any) -> None:
        """Run to the end."""
        while not self._is_compiled_worth_it():
            begun = time.thread_time()
            done = self.plain(*arrays, STEPS_AT_ONCE)
            self.spent_s += time.thread_time() - begun
            if done:
                return
        with told_of_compiling(self.found, WHAT, WITHIN_S) if self.from_s == self.cold_s else nullcontext():
            done = self.found(*arrays, STEPS_COMPILED)
        begun, told, terminal = time.monotonic(), False, sys.stderr.isatty()
        while not done:
            done = self.found(*arrays, STEPS_COMPILED)
            took = time.monotonic() - begun
            if took > SILENT_S and self.part is not None and not done and (terminal or not told):
                told = True
                text = _text(self.part(*arrays), took)
                sys.stderr.write(f"{CLEAR}{text}" if terminal else f"{text}\n")
                sys.stderr.flush()
        if told and terminal:
            sys.stderr.write(CLEAR)

    def _is_compiled_worth_it(self) -> bool:
        """Return whether to go on compiled: soon when that is on disk, late when it has to be made."""
        if self.found is None and self.spent_s >= self.kept_s:
            self.found = self.compile()
            self.from_s = self.kept_s if is_kept(self.found, self.sources) else self.cold_s
        return self.found is not None and self.spent_s >= self.from_s


def _text(part: float, took_s: float) -> str:
    left = f", about {took_s * (1 - part) / part:.0f} s left" if part > 0 else ""
    return f"simulating, {part:.1%} of the tasks done{left}; stretches that repeat are skipped where they are found"


def is_kept(function: Any, sources: Sequence[Path]) -> bool:
    """Return whether compiled code of *function* is on disk that is younger than its *sources*."""
    newest = max(path.stat().st_mtime for path in sources)
    name = function.py_func.__qualname__.replace("<", "").replace(">", "")
    folder = function.stats.cache_path
    if folder is None:
        return False
    return any(path.stat().st_mtime > newest for path in Path(folder).glob(f"*{name}*.nbi"))
