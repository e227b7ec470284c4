"""How long the searches for mappings of one model may take: work, so that answers are the same on a busy machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusemax.search.candidate import Tally

LEAST_S = 0.25  #: seconds of work that each search has in any case


@dataclass
class Share:
    """What one search has: seconds of work, so many more until something fits; what it did, and whether it was ``cut`` off."""

    seconds: float
    hopeless_s: float
    tally: Tally
    cut: bool = False


@dataclass
class Budget:
    """Seconds of work on a common machine for searches: for ``each`` of them, and for all ``together``.

    Where all have a limit, each search gets half of what is left of it. ``cut`` holds the cascades of those that did not end
    by themselves.
    """

    each: float = 6.0
    together: float = inf
    spent: float = 0.0
    cut: set[str] = field(default_factory=set[str])

    @contextmanager
    def share(self, cascade: str) -> Iterator[Share]:
        """Yield what a search for mappings of *cascade* has, and count what it took."""
        from fusemax.search.candidate import Tally
        from fusemax.search.clock import HOPELESS_S

        seconds = max(LEAST_S, min(self.each, (self.together - self.spent) / 2))
        share = Share(seconds, HOPELESS_S if self.together == inf else seconds, Tally())
        try:
            yield share
        finally:
            self.spent += share.tally.work_s
            if share.cut:
                self.cut.add(cascade)
